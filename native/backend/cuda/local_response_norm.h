// Normalisation across channels: backend/backend.h says what each does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/images.h"

namespace onelogit::cuda {

void local_response_norm_forward(cudaStream_t stream, const LocalResponseNorm& norm, const float* x, float* y,
                                 float* scale, std::int64_t rows, std::int64_t channels);
void local_response_norm_backward(cudaStream_t stream, const LocalResponseNorm& norm, const float* x,
                                  const float* scale, const float* dy, float* dx, std::int64_t rows,
                                  std::int64_t channels);

}  // namespace onelogit::cuda
