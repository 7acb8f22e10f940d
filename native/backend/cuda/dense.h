// What a dense layer needs beside its matrix products. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/column_scratch.h"

namespace onelogit::cuda {

// y (m×outputs) += bias (outputs), row by row
void add_bias(cudaStream_t stream, const float* bias, float* y, std::int64_t m, std::int64_t outputs);
// dbias (outputs) = column sums of dy (m×outputs)
void column_sums(cudaStream_t stream, ColumnScratch& scratch, const float* dy, float* dbias, std::int64_t m,
                 std::int64_t outputs);

void bfloat16_to_float32(cudaStream_t stream, const std::uint16_t* from, float* to, std::int64_t size);
// To nearest, ties to even; NaN stays NaN.
void float32_to_bfloat16(cudaStream_t stream, const float* from, std::uint16_t* to, std::int64_t size);
// The same for a matrix whose rows are `stride` apart; to: rows×columns without gaps.
void rows_to_bfloat16(cudaStream_t stream, const float* from, std::int64_t stride, std::uint16_t* to, std::int64_t rows,
                      std::int64_t columns);

// x (rows×columns, rows `stride` apart) *= factor; with 0, x is not read.
void scale_rows(cudaStream_t stream, float* x, std::int64_t stride, float factor, std::int64_t rows,
                std::int64_t columns);

}  // namespace onelogit::cuda
