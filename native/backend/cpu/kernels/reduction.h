// Sums. Each result is summed in a fixed order: vectors first, then blocks in float64.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct ReductionKernels {
  double (*sum_of_squares)(const float* x, std::int64_t n);
  // out_j = Σ_i x_ij, x m×n `stride` apart.
  void (*column_sums)(const float* x, std::int64_t stride, float* out, std::int64_t m, std::int64_t n);
  // Whether the largest of row (k) is at `label`, the lowest index on ties; false when any is NaN.
  bool (*largest_is)(const float* row, std::int64_t k, std::int64_t label);
};
ONELOGIT_DECLARE_KERNELS(ReductionKernels, reduction_kernels)

}  // namespace onelogit
