// The square of a gradient's norm.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

constexpr std::int64_t most_square_partials = 1024;
// *total += Σ x² over the first *rows (null: most_rows) rows of `columns`. `partial` has room for most_square_partials.
// All pointers are device memory.
void add_squares(cudaStream_t stream, const float* x, const std::int32_t* rows, std::int64_t most_rows,
                 std::int64_t columns, double* partial, double* total);

}  // namespace onelogit::cuda
