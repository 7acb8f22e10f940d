// The value of a loss from the values of its rows.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

// *value = scale · Σ row_value
void sum_of_rows(cudaStream_t stream, const double* row_value, std::int64_t m, double scale, double* value);

}  // namespace onelogit::cuda
