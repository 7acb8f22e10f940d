// What follows a product in one pass over its output. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

// y (m×outputs) = y + bias (outputs, or null), row by row, + residual (m×outputs, or null), then max(·, 0) if `relu`.
void finish_product(cudaStream_t stream, const float* bias, const float* residual, bool relu, float* y, std::int64_t m,
                    std::int64_t outputs);

}  // namespace onelogit::cuda
