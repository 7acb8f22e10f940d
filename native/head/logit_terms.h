// A logit in float64, with the size of what it is the sum of: rounding is measured by that, not by the sum itself.
#pragma once

#include <cstdint>

#include "head/class_matrix.h"

namespace onelogit {

struct LogitTerms {
  double logit;      // s · Σ w_j h_j + b
  double magnitude;  // |s| · Σ |w_j h_j| + |b|
};

LogitTerms logit_terms(const ClassMatrix& matrix, const float* features, std::int64_t c);

}  // namespace onelogit
