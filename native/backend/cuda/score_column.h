// One column of the last layer: backend/backend.h says what the operation does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

void score_column(cudaStream_t stream, const float* hidden, const float* weight_row, float bias, float* out,
                  std::int64_t m, std::int64_t d);

}  // namespace onelogit::cuda
