// Numbers copied from place to place: backend/backend.h says what each does. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

void copy_columns(cudaStream_t stream, const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                  std::int64_t columns);
void place_images(cudaStream_t stream, const float* x, std::int64_t height, std::int64_t width, float* y,
                  std::int64_t out_height, std::int64_t out_width, std::int64_t channels, std::int64_t top,
                  std::int64_t left, std::int64_t m);

}  // namespace onelogit::cuda
