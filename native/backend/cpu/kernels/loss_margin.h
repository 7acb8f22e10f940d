// Kernels of the margin losses: the largest false logit of each row.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct MarginLossKernels {
  // For each of `rows` rows of n logits, `stride` apart: the largest logit but the one at column labels[r] −
  // first_column (if that is in [0, n)) and the lowest column that has it. −∞ and column −1 when nothing is above −∞;
  // NaN when any logit of the row, the left-out one included, is NaN.
  void (*largest_false)(const float* z, std::int64_t stride, std::int64_t rows, std::int64_t n,
                        const std::int32_t* labels, std::int64_t first_column, float* value, std::int32_t* column);
};

ONELOGIT_DECLARE_KERNELS(MarginLossKernels, margin_loss_kernels)

}  // namespace onelogit
