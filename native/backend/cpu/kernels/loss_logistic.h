// Kernels of the losses made of ln(1 + eˣ): binary-cross-entropy and nce.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

// Σ max(x, 0) and Σ ln(1 + e^−|x|), apart: with float32 terms in a float64 sum, the first is exact.
struct SoftplusSum {
  double positive = 0;
  double excess = 0;
};

struct LogisticLossKernels {
  // Returns Σ softplus(z_j); g_j = scale · σ(z_j) unless null.
  SoftplusSum (*unweighted)(const float* z, std::int64_t n, float scale, float* g);
  // x_j = z_j − log_weight_j. Returns Σ weight_j softplus(x_j); g_j = scale · weight_j · σ(x_j) unless null.
  double (*weighted)(const float* z, const float* weight, const float* log_weight, std::int64_t n, float scale,
                     float* g);
};

ONELOGIT_DECLARE_KERNELS(LogisticLossKernels, logistic_loss_kernels)

}  // namespace onelogit
