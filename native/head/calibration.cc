#include "head/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "error.h"
#include "head/false_positives.h"
#include "head/true_logits.h"

namespace onelogit {
namespace {

// ⌈x⌉ of a product of a decimal fraction and a count: 0.9 · 10 must give 9, whatever the last bit of 0.9 is.
std::int64_t ceiling(double x) { return static_cast<std::int64_t>(std::ceil(x - 1e-9)); }

// A threshold with what is at or above it.
struct Cut {
  float threshold;
  std::int64_t true_positives, false_positives;
};

bool reaches_recall(std::int64_t hits, std::int64_t positives, double recall) {
  return positives > 0 && hits >= ceiling(recall * static_cast<double>(positives));
}
bool reaches_precision(const Cut& cut, double precision) {
  const auto matched = static_cast<double>(cut.true_positives + cut.false_positives);
  return cut.true_positives > 0 && static_cast<double>(cut.true_positives) >= (precision - 1e-9) * matched;
}

void check_examples(const ClassMatrix& matrix, std::span<const std::int32_t> labels, const AlsoCorrect& also_correct,
                    const char* what) {
  if (labels.empty())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_NO_POSITIVES",
                std::string("Expected at least one example for ") + what + " but received none");
  check_also_correct(also_correct, labels.data(), static_cast<std::int64_t>(labels.size()), matrix.classes());
}

// The n-th largest, n from 1.
float nth(std::span<const float> descending, std::int64_t n) { return descending[static_cast<std::size_t>(n - 1)]; }

// The highest threshold with (hits + (N − n)·R₀)/N ≥ r. With j own hits, that is at most the j-th own logit, and the
// pool must give the rest: R₀ ≥ (rN − j)/(N − n).
float filled_recall_threshold(std::span<const float> own, std::span<const float> pooled, double recall,
                              std::int64_t needed) {
  const auto n = static_cast<std::int64_t>(own.size()), pool = static_cast<std::int64_t>(pooled.size());
  constexpr float infinity = std::numeric_limits<float>::infinity();
  float best = -infinity;
  for (std::int64_t j = 0; j <= n; ++j) {
    const double share =
        (recall * static_cast<double>(needed) - static_cast<double>(j)) / static_cast<double>(needed - n);
    // Without a hit of its own, at least one: a recall below 1e-9 is rounded to none.
    const std::int64_t from_pool = std::max<std::int64_t>(ceiling(share * static_cast<double>(pool)), j == 0 ? 1 : 0);
    if (from_pool > pool) continue;
    const float by_own = j == 0 ? infinity : nth(own, j);
    const float by_pool = from_pool <= 0 ? infinity : nth(pooled, from_pool);
    best = std::max(best, std::min(by_own, by_pool));
  }
  return best;
}

Calibration calibrate_recall(const TrueLogits& logits, std::int64_t classes, double recall) {
  Calibration result;
  result.thresholds.resize(static_cast<std::size_t>(classes));
  const std::int64_t needed = calibration_positives_needed(recall);
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::span<const float> own = logits.of(c);
    const auto n = static_cast<std::int64_t>(own.size());
    const auto wanted = [&] { return std::clamp<std::int64_t>(ceiling(recall * static_cast<double>(n + 1)), 1, n); };
    const float threshold =
        n >= needed ? nth(own, wanted()) : filled_recall_threshold(own, logits.pooled, recall, needed);
    result.thresholds[c] = threshold;
    if (reaches_recall(count_at_least(own, threshold), n, recall)) ++result.meeting_target;
    if (n < needed) ++result.with_fallback;
    if (n == 0) ++result.without_positives;
  }
  return result;
}

// The lowest cut whose rate reaches `wanted`, or the one with the highest rate; the lower one on ties.
template <class Rate>
Cut lowest_reaching(std::span<const Cut> descending, double wanted, Rate rate) {
  Cut best = descending.front();
  double best_rate = -1.0;
  for (const Cut& cut : descending) {
    const double here = std::min(rate(cut) + 1e-9, wanted);
    if (here >= best_rate) {
      best_rate = here;
      best = cut;
    }
  }
  return best;
}

double corrected_precision(const Cut& cut) {
  return static_cast<double>(cut.true_positives) / static_cast<double>(cut.true_positives + cut.false_positives + 1);
}

// Cuts at evenly spaced true logits of the pool: enough of them, and few enough to be searched for every logit.
std::vector<float> pooled_thresholds(std::span<const float> pooled) {
  constexpr std::int64_t most = 4096;
  const auto n = static_cast<std::int64_t>(pooled.size()), count = std::min(n, most);
  std::vector<float> thresholds;
  for (std::int64_t i = 1; i <= count; ++i) thresholds.push_back(nth(pooled, n * i / count));
  return thresholds;
}

Calibration calibrate_precision(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                                const AlsoCorrect& also_correct, const TrueLogits& logits, double precision,
                                const std::atomic<bool>* cancelled, std::atomic<double>* passes_done) {
  const std::int64_t classes = matrix.classes(), needed = calibration_positives_needed(precision);
  const std::vector<float>& own_thresholds = logits.grouped;
  const std::vector<float> pooled_cuts = pooled_thresholds(logits.pooled);
  FalsePositives counts;
  if (!count_false_positives(matrix, features, labels, also_correct, {own_thresholds, logits.first}, pooled_cuts,
                             cancelled, passes_done, counts))
    return {};

  std::vector<Cut> pool;
  for (std::size_t i = 0; i < pooled_cuts.size(); ++i)
    pool.push_back({pooled_cuts[i], count_at_least(logits.pooled, pooled_cuts[i]), counts.pooled[i]});
  const float pooled_threshold = lowest_reaching(std::span<const Cut>(pool), precision, corrected_precision).threshold;
  // P₀ at the nearest cut not above `threshold`.
  const auto pooled_precision = [&](float threshold) {
    const auto above =
        std::partition_point(pool.begin(), pool.end(), [&](const Cut& cut) { return cut.threshold > threshold; });
    const Cut& cut = above == pool.end() ? pool.back() : *above;
    return static_cast<double>(cut.true_positives) / static_cast<double>(cut.true_positives + cut.false_positives);
  };

  // What the classes that fall back have at the pooled threshold: one cut each.
  std::vector<std::int64_t> few_first(static_cast<std::size_t>(classes) + 1, 0);
  for (std::int64_t c = 0; c < classes; ++c)
    few_first[c + 1] = few_first[c] + (static_cast<std::int64_t>(logits.of(c).size()) < needed ? 1 : 0);
  const std::vector<float> few_thresholds(static_cast<std::size_t>(few_first.back()), pooled_threshold);
  FalsePositives at_pooled;
  if (!few_thresholds.empty() &&
      !count_false_positives(matrix, features, labels, also_correct, {few_thresholds, few_first}, {}, cancelled,
                             passes_done, at_pooled))
    return {};

  Calibration result;
  result.thresholds.resize(static_cast<std::size_t>(classes));
  std::vector<Cut> cuts;
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::span<const float> own = logits.of(c);
    const auto n = static_cast<std::int64_t>(own.size());
    cuts.clear();
    for (std::int64_t i = logits.first[c]; i < logits.first[c + 1]; ++i)
      cuts.push_back({own_thresholds[i], count_at_least(own, own_thresholds[i]), counts.own[i]});
    Cut chosen;
    if (n >= needed) {
      chosen = lowest_reaching(std::span<const Cut>(cuts), precision, corrected_precision);
    } else {
      cuts.push_back({pooled_threshold, count_at_least(own, pooled_threshold), at_pooled.own[few_first[c]]});
      std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.threshold > b.threshold; });
      const auto missing = static_cast<double>(needed - n);
      chosen = lowest_reaching(std::span<const Cut>(cuts), precision, [&](const Cut& cut) {
        return (static_cast<double>(cut.true_positives) + missing * pooled_precision(cut.threshold)) /
               (static_cast<double>(cut.true_positives + cut.false_positives) + missing);
      });
      ++result.with_fallback;
    }
    result.thresholds[c] = chosen.threshold;
    if (n == 0) ++result.without_positives;
    if (reaches_precision(chosen, precision)) ++result.meeting_target;
  }
  return result;
}

}  // namespace

std::int64_t calibration_positives_needed(double value) {
  return std::max<std::int64_t>(1, ceiling(value / (1.0 - value)));
}

Calibration calibrate(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                      const CalibrationTarget& target, const std::atomic<bool>* cancelled,
                      const AlsoCorrect& also_correct, std::atomic<double>* passes_done, double feature_error) {
  check_examples(matrix, labels, also_correct, "calibrate");
  const TrueLogits logits = compute_lowest_true_logits(matrix, features, labels, feature_error);
  if (target.measure == CalibrationMeasure::recall) return calibrate_recall(logits, matrix.classes(), target.value);
  return calibrate_precision(matrix, features, labels, also_correct, logits, target.value, cancelled, passes_done);
}

std::optional<ThresholdReport> evaluate_thresholds(const ClassMatrix& matrix, const float* features,
                                                   std::span<const std::int32_t> labels,
                                                   std::span<const float> thresholds,
                                                   const std::optional<CalibrationTarget>& target,
                                                   const std::atomic<bool>* cancelled, const AlsoCorrect& also_correct,
                                                   std::atomic<double>* passes_done) {
  check_examples(matrix, labels, also_correct, "evaluateThresholds");
  const std::int64_t classes = matrix.classes();
  const TrueLogits logits = compute_true_logits(matrix, features, labels);
  std::vector<std::int64_t> first(static_cast<std::size_t>(classes) + 1);
  std::iota(first.begin(), first.end(), std::int64_t{0});
  FalsePositives counts;
  if (!count_false_positives(matrix, features, labels, also_correct, {thresholds, first}, {}, cancelled, passes_done,
                             counts))
    return std::nullopt;
  ThresholdReport report;
  for (std::int64_t c = 0; c < classes; ++c) {
    const std::span<const float> own = logits.of(c);
    const Cut cut{thresholds[c], count_at_least(own, thresholds[c]), counts.own[c]};
    report.true_positives += cut.true_positives;
    report.false_positives += cut.false_positives;
    if (own.empty()) continue;
    ++report.with_positives;
    const auto hits = static_cast<double>(cut.true_positives);
    report.mean_recall += hits / static_cast<double>(own.size());
    if (cut.true_positives > 0) report.mean_precision += hits / (hits + static_cast<double>(cut.false_positives));
    if (target && (target->measure == CalibrationMeasure::recall
                       ? reaches_recall(cut.true_positives, static_cast<std::int64_t>(own.size()), target->value)
                       : reaches_precision(cut, target->value)))
      ++report.meeting_target;
  }
  report.mean_recall /= static_cast<double>(report.with_positives);
  report.mean_precision /= static_cast<double>(report.with_positives);
  return report;
}

}  // namespace onelogit
