// Batch normalisation: backend/backend.h says what each operation does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/column_scratch.h"

namespace onelogit::cuda {

void batch_norm_forward_training(cudaStream_t stream, ColumnScratch& scratch, const float* x, const float* gamma,
                                 const float* beta, float epsilon, float momentum, float* running_mean,
                                 float* running_variance, float* saved_mean, float* saved_inverse_deviation, float* y,
                                 std::int64_t m, std::int64_t features);
void batch_norm_forward_inference(cudaStream_t stream, const float* x, const float* gamma, const float* beta,
                                  float epsilon, const float* running_mean, const float* running_variance, float* y,
                                  std::int64_t m, std::int64_t features);
void batch_norm_backward(cudaStream_t stream, ColumnScratch& scratch, const float* x, const float* dy,
                         const float* gamma, const float* saved_mean, const float* saved_inverse_deviation, float* dx,
                         float* dgamma, float* dbeta, std::int64_t m, std::int64_t features);

}  // namespace onelogit::cuda
