// What one logit may come out as when it is computed again: in another order of summation, by another processor's
// kernels, behind a trunk that saw the example among others.
#pragma once

#include <cstdint>

#include "head/class_matrix.h"

namespace onelogit {

// A float32 that no computation of z = s · Σ w_j h_j + b by the row kernels is below, of any of their instruction sets,
// and whatever the storage is.
//
// It is z − γ_L · (|s| Σ |w_j h_j| + |b|), z and the sum in float64, γ_L = Lu/(1 − Lu), u = 2⁻²⁴ (Higham, Accuracy and
// Stability of Numerical Algorithms, 2002, §3.1: each product passes L roundings at most). With lanes l = 4, 8 or 16,
// 4l sums are accumulated side by side (backend/cpu/kernels/row_dot.cc): ⌊d/4l⌋ + 3 additions, 2 + log₂ l to join them,
// one of the elements after the last whole vector, of which l − 1 are added one by one, the product, the scale and the
// bias. So L ≤ ⌊d/16⌋ + 19. Overflow, of numbers near the largest float32, is beyond it.
//
// `feature_error` is what the features' own rounding moves z by, as a share of that sum: see FeatureError.
float lowest_logit(const ClassMatrix& matrix, const float* features, std::int64_t c, double feature_error);

}  // namespace onelogit
