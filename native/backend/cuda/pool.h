// Pools over windows of images: backend/backend.h says what each does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/images.h"

namespace onelogit::cuda {

// An image has 2^31 − 1 pixels at most.
void max_pool_forward(cudaStream_t stream, const Pool2dGeometry& geometry, const float* x, float* y,
                      std::int32_t* places, std::int64_t m);
void max_pool_backward(cudaStream_t stream, const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy,
                       float* dx, std::int64_t m);
void avg_pool_forward(cudaStream_t stream, const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                      std::int64_t m);
void avg_pool_backward(cudaStream_t stream, const Pool2dGeometry& geometry, bool count_padding, const float* dy,
                       float* dx, std::int64_t m);

}  // namespace onelogit::cuda
