// Elementwise operations, softmax of rows and dropout: backend/backend.h says what each does. All pointers are device
// memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/step_values.h"

namespace onelogit::cuda {

void relu_forward(cudaStream_t stream, const float* x, float* y, std::int64_t size);
void relu_backward(cudaStream_t stream, const float* y, const float* dy, float* dx, std::int64_t size);
void dropout(cudaStream_t stream, const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
             const StepValues* values);
void add(cudaStream_t stream, const float* a, const float* b, float* y, std::int64_t size);
void softmax_forward(cudaStream_t stream, const float* x, float* y, std::int64_t m, std::int64_t n);
void softmax_backward(cudaStream_t stream, const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n);

}  // namespace onelogit::cuda
