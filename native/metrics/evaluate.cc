// All metrics of a score matrix in one pass over it. The positives of all classes together are the m true scores, so
// the thresholds of every class fit in m floats; each thread streams its share of the rows and counts, in m integers of
// its own, between which thresholds of its class each score falls. Counts are integers: the result does not depend on
// threads.

#include <algorithm>
#include <cmath>

#include "backend/cpu/threads.h"
#include "loss/loss.h"
#include "metrics/metrics.h"
#include "metrics/ranking.h"

namespace onelogit {
namespace {

// Distinct scores of each class's positives, ascending, class after class.
struct Thresholds {
  std::vector<float> scores;
  std::vector<std::int64_t> positives;  // how many positives have this score
  std::vector<std::int64_t> begin;      // k + 1: where a class begins; [begin[j], begin[j] + distinct[j]) are in use
  std::vector<std::int64_t> distinct;   // k
  std::vector<float> lowest;            // k: the lowest threshold; +infinity without positives
};

Thresholds class_thresholds(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k) {
  Thresholds thresholds;
  thresholds.begin.assign(k + 1, 0);
  for (std::int64_t i = 0; i < m; ++i) ++thresholds.begin[labels[i] + 1];
  for (std::int64_t j = 0; j < k; ++j) thresholds.begin[j + 1] += thresholds.begin[j];
  thresholds.scores.resize(m);
  std::vector<std::int64_t> next(thresholds.begin.begin(), thresholds.begin.end() - 1);
  for (std::int64_t i = 0; i < m; ++i) {
    const float score = scores[i * k + labels[i]];
    if (std::isnan(score)) throw_score_is_nan("scores");
    thresholds.scores[next[labels[i]]++] = score;
  }
  thresholds.positives.assign(m, 0);
  thresholds.distinct.assign(k, 0);
  thresholds.lowest.assign(k, INFINITY);
  parallel_for(k, 16, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) {
      const std::int64_t begin = thresholds.begin[j];
      thresholds.distinct[j] = distinct_ascending(thresholds.scores.data() + begin, thresholds.begin[j + 1] - begin,
                                                  thresholds.positives.data() + begin);
      if (thresholds.distinct[j] > 0) thresholds.lowest[j] = thresholds.scores[begin];
    }
  });
  return thresholds;
}

// What one thread counts.
struct Tally {
  std::vector<std::int64_t> examples;  // per threshold: scores of that class from it to just below the next
  double misordered = 0;
  std::int64_t correct = 0;
  bool nan = false;
};

void count_rows(const float* scores, const std::int32_t* labels, std::int64_t first, std::int64_t last, std::int64_t k,
                const Thresholds& thresholds, const std::vector<float>& true_scores, Tally& tally) {
  const auto m = static_cast<std::int64_t>(true_scores.size());
  const float lowest_true = true_scores[0];
  for (std::int64_t i = first; i < last; ++i) {
    const float* row = scores + i * k;
    std::int64_t best = 0, misordered = 0;
    for (std::int64_t j = 0; j < k; ++j) {
      const float score = row[j];
      tally.nan |= std::isnan(score);
      if (score > row[best]) best = j;  // strict: the lowest index wins a tie
      if (score >= thresholds.lowest[j] && thresholds.distinct[j] > 0) {
        const std::int64_t begin = thresholds.begin[j];
        ++tally.examples[begin + count_not_above(thresholds.scores.data() + begin, thresholds.distinct[j], score) - 1];
      }
      if (score >= lowest_true && j != labels[i]) misordered += count_not_above(true_scores.data(), m, score);
    }
    tally.misordered += static_cast<double>(misordered);
    tally.correct += best == labels[i] ? 1 : 0;
  }
}

}  // namespace

EvaluationResult evaluate_scores(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k) {
  if (m == 0) throw_no_positives("evaluation");
  check_labels(labels, m, k);
  const Thresholds thresholds = class_thresholds(scores, labels, m, k);
  std::vector<float> true_scores(m);
  for (std::int64_t i = 0; i < m; ++i) true_scores[i] = scores[i * k + labels[i]];
  std::sort(true_scores.begin(), true_scores.end());

  // At most k slices, so that the tallies together are no larger than the scores.
  const std::int64_t slices = std::min(row_slices(m, k), k);
  std::vector<Tally> tallies(slices);
  for (Tally& tally : tallies) tally.examples.assign(m, 0);
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    count_rows(scores, labels, m * slice / slices, m * (slice + 1) / slices, k, thresholds, true_scores,
               tallies[slice]);
  });
  Tally& total = tallies[0];
  for (std::int64_t slice = 1; slice < slices; ++slice) {
    const Tally& tally = tallies[slice];
    for (std::int64_t i = 0; i < m; ++i) total.examples[i] += tally.examples[i];
    total.misordered += tally.misordered;
    total.correct += tally.correct;
    total.nan |= tally.nan;
  }
  if (total.nan) throw_score_is_nan("scores");

  EvaluationResult result;
  result.examples = m;
  result.classes = k;
  result.accuracy = static_cast<double>(total.correct) / static_cast<double>(m);
  const double pairs = static_cast<double>(m) * static_cast<double>(m) * static_cast<double>(k - 1);
  result.separation = {pairs > 0 ? total.misordered / pairs : 0, total.misordered == 0};
  result.per_class.resize(k);
  for (std::int64_t j = 0; j < k; ++j) {
    ClassMetrics& metrics = result.per_class[j];
    const std::int64_t begin = thresholds.begin[j];
    metrics.positives = thresholds.begin[j + 1] - begin;
    if (metrics.positives == 0) {
      ++result.classes_without_positives;
      continue;
    }
    const ClassRanking ranking{thresholds.positives.data() + begin, total.examples.data() + begin,
                               thresholds.distinct[j]};
    metrics.average_precision = average_precision(ranking);
    metrics.precision_at_90 = precision_at_recall(ranking, 0.9);
    metrics.precision_at_99 = precision_at_recall(ranking, 0.99);
    result.average_precision += metrics.average_precision;
    result.precision_at_90 += metrics.precision_at_90;
    result.precision_at_99 += metrics.precision_at_99;
  }
  const auto occurring = static_cast<double>(k - result.classes_without_positives);
  result.average_precision /= occurring;
  result.precision_at_90 /= occurring;
  result.precision_at_99 /= occurring;
  return result;
}

}  // namespace onelogit
