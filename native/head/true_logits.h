// The logits of (example, own class) pairs, sorted: what thresholds are made from. Internal to native/head/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "head/class_matrix.h"

namespace onelogit {

struct TrueLogits {
  std::vector<float> pooled;        // n, descending
  std::vector<float> grouped;       // n, by class, descending within each
  std::vector<std::int64_t> first;  // k + 1: class c has grouped[first[c] … first[c + 1])

  std::span<const float> of(std::int64_t c) const {
    return std::span(grouped).subspan(static_cast<std::size_t>(first[c]),
                                      static_cast<std::size_t>(first[c + 1] - first[c]));
  }
};

// As they are scored. Throws ERR_ONELOGIT_NOT_FINITE.
TrueLogits compute_true_logits(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels);

// What each is at least, whoever computes it again (head/lowest_logit.h). Throws ERR_ONELOGIT_NOT_FINITE.
TrueLogits compute_lowest_true_logits(const ClassMatrix& matrix, const float* features,
                                      std::span<const std::int32_t> labels, double feature_error);

// How many of `descending` are at least `threshold`.
std::int64_t count_at_least(std::span<const float> descending, float threshold);

}  // namespace onelogit
