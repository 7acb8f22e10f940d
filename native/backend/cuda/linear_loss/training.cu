#include "backend/cuda/linear_loss/training.h"

#include <cmath>

#include "backend/cuda/launch.h"

namespace onelogit::cuda {
namespace {

__global__ void find_undefined_kernel(const float* values, std::int64_t size, std::int32_t* undefined) {
  // The sum of x·0 is 0 or NaN: one pass without a branch per number.
  float sum = 0;
  for (std::int64_t i = first_index(); i < size; i += index_stride()) sum += values[i] * 0.0f;
  if (!(sum == 0.0f)) *undefined = 1;  // whoever writes, writes the same
}

__global__ void mark_undefined_kernel(const std::int32_t* undefined, double* value, std::int64_t* correct) {
  if (*undefined == 0) return;
  *value = NAN;
  *correct = 0;
}

__global__ void set_count_kernel(std::int64_t* count, std::int64_t value) { *count = value; }

__global__ void spread_factors_kernel(const float* factor, std::int64_t run, std::int64_t k, float* row_factor) {
  for (std::int64_t j = first_index(); j < k; j += index_stride()) row_factor[j] = factor[j / run];
}

}  // namespace

void find_undefined(cudaStream_t stream, const float* values, std::int64_t size, std::int32_t* undefined) {
  check(cudaMemsetAsync(undefined, 0, sizeof(std::int32_t), stream), "finite activations");
  launch("finite activations", find_undefined_kernel, grid_for(size, 4 * block_threads), block_threads, 0, stream,
         values, size, undefined);
}

void mark_undefined(cudaStream_t stream, const std::int32_t* undefined, double* value, std::int64_t* correct) {
  launch("finite activations", mark_undefined_kernel, 1, 1, 0, stream, undefined, value, correct);
}

void set_count(cudaStream_t stream, std::int64_t* count, std::int64_t value) {
  launch("a count", set_count_kernel, 1, 1, 0, stream, count, value);
}

void spread_factors(cudaStream_t stream, const float* factor, std::int64_t run, std::int64_t k, float* row_factor) {
  launch("row factors", spread_factors_kernel, grid_for(k), block_threads, 0, stream, factor, run, k, row_factor);
}

}  // namespace onelogit::cuda
