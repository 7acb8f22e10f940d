// binary-cross-entropy and exact nce on a block of logits: an entry needs nothing but itself.
#pragma once

#include "backend/cuda/linear_loss/block.h"

namespace onelogit::cuda {

// Blocks of threads that logistic_block launches at most: as many partial sums.
constexpr std::int64_t most_logistic_partials = 16384;

// Replaces the logits by their gradient times `scale` and leaves what they add to the value (not scaled) in `partial`;
// returns how many partial sums there are. `weight` and `log_weight` are t·q_j and its logarithm of all k classes for
// nce, null for binary-cross-entropy.
std::int64_t logistic_block(cudaStream_t stream, const BlockLogits& block, const float* weight, const float* log_weight,
                            float scale, double* partial);
// *value *= scale
void scale_value(cudaStream_t stream, double* value, double scale);

}  // namespace onelogit::cuda
