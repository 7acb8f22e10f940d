// Average precision and precision at recall of one class's scores.

#include <cmath>

#include "metrics/metrics.h"
#include "metrics/ranking.h"

namespace onelogit {
namespace {

struct OwnedRanking {
  std::vector<std::int64_t> positives, examples;
  ClassRanking view() const { return {positives.data(), examples.data(), static_cast<std::int64_t>(positives.size())}; }
};

OwnedRanking rank(const float* scores, const std::uint8_t* positives, std::int64_t n, const char* metric) {
  // Copied first and checked after: the caller's memory may be shared with a thread that writes to it.
  std::vector<float> thresholds;
  for (std::int64_t i = 0; i < n; ++i)
    if (positives[i] != 0) thresholds.push_back(scores[i]);
  if (thresholds.empty()) throw_no_positives(metric);
  for (const float threshold : thresholds)
    if (std::isnan(threshold)) throw_score_is_nan("scores");

  OwnedRanking ranking;
  ranking.positives.resize(thresholds.size());
  const std::int64_t distinct =
      distinct_ascending(thresholds.data(), static_cast<std::int64_t>(thresholds.size()), ranking.positives.data());
  ranking.positives.resize(distinct);
  // The positives are counted from the copy, so that each threshold has at least one example whatever happens
  // meanwhile.
  ranking.examples = ranking.positives;
  bool nan = false;
  for (std::int64_t i = 0; i < n; ++i) {
    nan |= std::isnan(scores[i]);
    if (positives[i] != 0 || !(scores[i] >= thresholds[0])) continue;
    if (const std::int64_t at = count_not_above(thresholds.data(), distinct, scores[i])) ++ranking.examples[at - 1];
  }
  if (nan) throw_score_is_nan("scores");
  return ranking;
}

}  // namespace

double average_precision(const float* scores, const std::uint8_t* positives, std::int64_t n) {
  return average_precision(rank(scores, positives, n, "average precision").view());
}

double precision_at_recall(const float* scores, const std::uint8_t* positives, std::int64_t n, double recall) {
  return precision_at_recall(rank(scores, positives, n, "precision at recall").view(), recall);
}

}  // namespace onelogit
