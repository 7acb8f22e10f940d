// Softmax of rows of contiguous float32, m×n.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct SoftmaxKernels {
  void (*forward)(const float* x, float* y, std::int64_t m, std::int64_t n);
  // dx_ij = y_ij (dy_ij − Σ_l dy_il y_il); dx may alias dy.
  void (*backward)(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n);
};
ONELOGIT_DECLARE_KERNELS(SoftmaxKernels, softmax_kernels)

}  // namespace onelogit
