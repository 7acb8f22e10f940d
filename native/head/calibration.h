// A threshold for each class, so that `logit ≥ threshold` has a wanted recall or precision.
//
// A class with enough positives uses its own examples, corrected for their number, because the value is wanted on new
// data from the same source and not only on these:
//
//   recall r      the ⌈r(n + 1)⌉-th largest of its n true logits: a new true logit is at least as large with
//   probability
//                 ≥ r, whatever the distribution (split conformal prediction: Papadopoulos et al. 2002, Lei et al.
//                 2018)
//   precision p   the lowest of its true logits t with TP(t)/(TP(t) + FP(t) + 1) ≥ p, or the best it has (the "+1" of
//                 Barber and Candès 2015: without it, picking one of many thresholds is optimistic)
//
// Both need at least N = ⌈q/(1 − q)⌉ positives, q the wanted value: 9 for 0.9, 99 for 0.99. A class with n < N is
// filled up to N with examples that behave as the pool of all classes does: the rate at threshold t is estimated by
//
//   recall        (hits(t) + (N − n)·R₀(t)) / N                 R₀: share of all true logits that are ≥ t
//   precision     (TP(t) + (N − n)·P₀(t)) / (TP(t) + FP(t) + N − n)    P₀: precision at t over all (example, class)
//   pairs
//
// (the posterior mean of a beta-binomial model whose prior is the pool, with the weight of the examples that are
// missing); the threshold is the highest with that recall, the lowest with that precision. With no positives that is
// the pooled threshold, with N or more the class's own; in between it moves from one to the other.
//
// "True logit" means the least that it may be computed as: rounding depends on the instruction set and, behind a trunk,
// on how many examples are asked about at once, and an example that was counted as a match must be one wherever it is
// asked about again. For a head alone that is proven (head/lowest_logit.h); a trunk's share is measured
// (head/feature_error.h). False positives are counted on logits as a product of matrices rounds them: one within
// rounding of the threshold may be counted on either side.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "head/class_matrix.h"
#include "metrics/also_correct.h"

namespace onelogit {

enum class CalibrationMeasure { recall, precision };

struct CalibrationTarget {
  CalibrationMeasure measure = CalibrationMeasure::recall;
  double value = 0.9;  // above 0 and below 1
};

struct Calibration {
  std::vector<float> thresholds;       // of each class
  std::int64_t meeting_target = 0;     // classes with positives that reach the value on these examples
  std::int64_t with_fallback = 0;      // classes with fewer than N positives: the pool was used
  std::int64_t without_positives = 0;  // of those, the ones with none
};

// The fewest positives with which a class stands on its own: N above.
std::int64_t calibration_positives_needed(double value);

// features n×d, labels n in [0, classes). For recall only the n true logits are computed; for precision all n·k, by
// blocks, and those of classes with fewer than N positives twice. A class in `also_correct` is neither a true nor a
// false positive of its example. `feature_error` is FeatureError's of these features. Throws ERR_ONELOGIT_NOT_FINITE if
// a true logit is not finite or another is NaN, ERR_ONELOGIT_NO_POSITIVES if n is 0, ERR_ONELOGIT_ALSO_CORRECT. No
// thresholds when `cancelled` (which may be null). `passes_done` (which may be null) grows by at most
// `calibration_passes` while it runs.
Calibration calibrate(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                      const CalibrationTarget& target, const std::atomic<bool>* cancelled,
                      const AlsoCorrect& also_correct = {}, std::atomic<double>* passes_done = nullptr,
                      double feature_error = 0);

// Passes over all examples and classes that `calibrate` may need: none for recall.
constexpr int calibration_passes(CalibrationMeasure measure) {
  return measure == CalibrationMeasure::precision ? 2 : 0;
}

// What thresholds do on examples that they were not chosen on.
struct ThresholdReport {
  std::int64_t with_positives = 0;                       // classes that occur in these examples
  std::int64_t meeting_target = 0;                       // of those, the ones that reach the value here; 0 without one
  std::int64_t true_positives = 0, false_positives = 0;  // over all (example, class) pairs that match
  // Means over the classes that occur; the precision of one that nothing matches counts as 0.
  double mean_recall = 0, mean_precision = 0;
};

// All n·k logits are computed, by blocks. `thresholds`: one for each class. Throws as `calibrate`. Nothing when
// `cancelled` (which may be null). `passes_done` (which may be null) grows by 1 while it runs.
std::optional<ThresholdReport> evaluate_thresholds(const ClassMatrix& matrix, const float* features,
                                                   std::span<const std::int32_t> labels,
                                                   std::span<const float> thresholds,
                                                   const std::optional<CalibrationTarget>& target,
                                                   const std::atomic<bool>* cancelled,
                                                   const AlsoCorrect& also_correct = {},
                                                   std::atomic<double>* passes_done = nullptr);

}  // namespace onelogit
