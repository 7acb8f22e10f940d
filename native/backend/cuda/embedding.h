// Rows of an embedding's table: backend/backend.h says what the operation does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

void embedding_forward(cudaStream_t stream, const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                       std::int64_t columns);

}  // namespace onelogit::cuda
