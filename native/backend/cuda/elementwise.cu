// Elementwise operations: one pass over memory each, four elements a thread where the pointers allow.

#include "backend/cuda/elementwise.h"

#include <cmath>

#include "backend/cuda/launch.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/reduce.h"
#include "random/philox.h"

namespace onelogit::cuda {
namespace {

__global__ void relu_forward_kernel(const float* x, float* y, std::int64_t size) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) y[i] = x[i] <= 0.0f ? 0.0f : x[i];  // NaN stays
}

__global__ void relu_backward_kernel(const float* y, const float* dy, float* dx, std::int64_t size) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

// n elements a thread; the last ones of a size that is no multiple of n one by one.
template <int n>
__global__ void add_kernel(const float* a, const float* b, float* y, std::int64_t size) {
  for (std::int64_t at = first_index() * n; at < size; at += index_stride() * n) {
    if (at + n > size) {
      for (std::int64_t i = at; i < size; ++i) y[i] = a[i] + b[i];
      continue;
    }
    Pack<float, n> sum = load_pack<n>(a + at);
    const Pack<float, n> more = load_pack<n>(b + at);
    for (int k = 0; k < n; ++k) sum.at[k] += more.at[k];
    store_pack(y + at, sum);
  }
}

// One thread makes the four words of a group of four elements.
__global__ void dropout_kernel(const float* x, float* y, std::int64_t size, std::uint32_t threshold, float scale,
                               std::uint64_t seed, const StepValues* values) {
  const std::uint64_t step = values->number;
  for (std::int64_t group = first_index(); group * 4 < size; group += index_stride()) {
    const PhiloxWords random = philox4x32(seed, static_cast<std::uint64_t>(group), step);
    for (std::int64_t word = 0; word < 4 && group * 4 + word < size; ++word) {
      const std::int64_t i = group * 4 + word;
      y[i] = random.word[word] >= threshold ? x[i] * scale : 0.0f;
    }
  }
}

__global__ void zero_kernel(float* y, std::int64_t size) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) y[i] = 0.0f;
}

// A block for a row; rows beyond the grid follow. A NaN is missed by the maximum or not: its exponential makes the sum,
// and so the row, NaN.
__global__ void softmax_forward_kernel(const float* x, float* y, std::int64_t m, std::int64_t n) {
  for (std::int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const float* const from = x + row * n;
    float* const to = y + row * n;
    float largest = -INFINITY;
    for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) largest = from[j] > largest ? from[j] : largest;
    largest = block_reduce(largest, -INFINITY, [](float a, float b) { return a > b ? a : b; });
    double sum = 0;
    for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) sum += static_cast<double>(expf(from[j] - largest));
    const float scale = static_cast<float>(1.0 / block_sum(sum));
    for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) to[j] = expf(from[j] - largest) * scale;
  }
}

__global__ void softmax_backward_kernel(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) {
  for (std::int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const float *const probability = y + row * n, *const gradient = dy + row * n;
    double sum = 0;
    for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x)
      sum += static_cast<double>(probability[j]) * static_cast<double>(gradient[j]);
    const float mean = static_cast<float>(block_sum(sum));
    for (std::int64_t j = threadIdx.x; j < n; j += blockDim.x) dx[row * n + j] = probability[j] * (gradient[j] - mean);
  }
}

}  // namespace

void relu_forward(cudaStream_t stream, const float* x, float* y, std::int64_t size) {
  if (size == 0) return;
  launch("relu_forward", relu_forward_kernel, grid_for(size), block_threads, 0, stream, x, y, size);
}

void relu_backward(cudaStream_t stream, const float* y, const float* dy, float* dx, std::int64_t size) {
  if (size == 0) return;
  launch("relu_backward", relu_backward_kernel, grid_for(size), block_threads, 0, stream, y, dy, dx, size);
}

void add(cudaStream_t stream, const float* a, const float* b, float* y, std::int64_t size) {
  if (size == 0) return;
  if (is_aligned<4>(a) && is_aligned<4>(b) && is_aligned<4>(y))
    launch("add", add_kernel<4>, grid_for((size + 3) / 4), block_threads, 0, stream, a, b, y, size);
  else
    launch("add", add_kernel<1>, grid_for(size), block_threads, 0, stream, a, b, y, size);
}

void dropout(cudaStream_t stream, const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
             const StepValues* values) {
  if (size == 0) return;
  if (rate >= 1.0f) {
    launch("dropout", zero_kernel, grid_for(size), block_threads, 0, stream, y, size);
    return;
  }
  // Of the 2³² words, rate · 2³² are below the threshold; rate is below 1, so it fits.
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(rate) * 4294967296.0);
  const auto scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(rate)));
  launch("dropout", dropout_kernel, grid_for((size + 3) / 4), block_threads, 0, stream, x, y, size, threshold, scale,
         seed, values);
}

void softmax_forward(cudaStream_t stream, const float* x, float* y, std::int64_t m, std::int64_t n) {
  if (m == 0 || n == 0) return;
  launch("softmax_forward", softmax_forward_kernel, grid_for(m, 1), block_threads, 0, stream, x, y, m, n);
}

void softmax_backward(cudaStream_t stream, const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) {
  if (m == 0 || n == 0) return;
  launch("softmax_backward", softmax_backward_kernel, grid_for(m, 1), block_threads, 0, stream, y, dy, dx, m, n);
}

}  // namespace onelogit::cuda
