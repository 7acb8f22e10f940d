// Kernels of the softmax losses (cross-entropy, self-normalization, batch-cross-entropy). A row's exponentials are
// taken against its own maximum M and summed in float64 (native/loss/softmax_state.h).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct SoftmaxLossKernels {
  // For each of `rows` rows of n logits, `stride` apart: maximum[r] = max z, sum[r] = Σ exp(z − maximum). A row with a
  // NaN or +∞ has sum NaN, a row of −∞ alone has sum 0. `exponentials` (same layout as z) receives exp(z − maximum),
  // unless null.
  void (*statistics)(const float* z, std::int64_t stride, std::int64_t rows, std::int64_t n, float* maximum,
                     double* sum, float* exponentials);
  // g = factor · exp(z − maximum)
  void (*exponential)(const float* z, std::int64_t n, float maximum, float factor, float* g);
  // g ← factor · g
  void (*scale)(float* g, std::int64_t n, float factor);
};

ONELOGIT_DECLARE_KERNELS(SoftmaxLossKernels, softmax_loss_kernels)

}  // namespace onelogit
