// Counts false logits above thresholds, over all examples and classes, without an n×k matrix. Internal to native/head/.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "head/class_matrix.h"
#include "metrics/also_correct.h"

namespace onelogit {

// Thresholds of each class, descending: class c has values[first[c] … first[c + 1]).
struct ClassThresholds {
  std::span<const float> values;
  std::span<const std::int64_t> first;
};

struct FalsePositives {
  std::vector<std::int64_t> own;     // for each of the class thresholds: false logits of that class that are ≥ it
  std::vector<std::int64_t> pooled;  // for each of the pooled thresholds: false logits of any class that are ≥ it
};

// features n×d, `pooled` descending; `also_correct` is checked, and its classes are not counted for their examples.
// Classes without a threshold are skipped if `pooled` is empty. Workspace: a few megabytes. False when cancelled.
// `passes_done`, which may be null, grows by the share of this pass over the examples, to 1 more than it was.
// Throws ERR_ONELOGIT_NOT_FINITE if a logit is NaN.
bool count_false_positives(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                           const AlsoCorrect& also_correct, const ClassThresholds& thresholds,
                           std::span<const float> pooled, const std::atomic<bool>* cancelled,
                           std::atomic<double>* passes_done, FalsePositives& result);

}  // namespace onelogit
