// What the fused last layer with its optimizer needs beside the passes of its loss. All pointers are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

// *undefined = 1 if a value is not finite, else 0.
void find_undefined(cudaStream_t stream, const float* values, std::int64_t size, std::int32_t* undefined);
// Where *undefined is not 0: *value = NaN, *correct = 0.
void mark_undefined(cudaStream_t stream, const std::int32_t* undefined, double* value, std::int64_t* correct);
void set_count(cudaStream_t stream, std::int64_t* count, std::int64_t value);

// row_factor[j] = factor[j / run] for k rows
void spread_factors(cudaStream_t stream, const float* factor, std::int64_t run, std::int64_t k, float* row_factor);

}  // namespace onelogit::cuda
