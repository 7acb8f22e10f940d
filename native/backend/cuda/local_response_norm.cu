// A thread for a number; its neighbours are in the cache.

#include "backend/cuda/local_response_norm.h"

#include <cmath>

#include "backend/cuda/matrix_threads.h"

namespace onelogit::cuda {
namespace {

__global__ void local_response_norm_forward_kernel(LocalResponseNorm norm, const float* x, float* y, float* scale,
                                                   std::int64_t rows, std::int64_t channels) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  const std::int64_t before = channel - norm.size / 2, after = channel + (norm.size - 1) / 2,
                     first = before > 0 ? before : 0, last = after < channels - 1 ? after : channels - 1;
  const float share = norm.alpha / static_cast<float>(norm.size);
  for_each_row(rows, [&](std::int64_t row) {
    const float* const from = x + row * channels;
    float squares = 0;
    for (std::int64_t c = first; c <= last; ++c) squares += from[c] * from[c];
    const float divisor = norm.k + share * squares;
    y[row * channels + channel] = from[channel] * powf(divisor, -norm.beta);
    if (scale != nullptr) scale[row * channels + channel] = divisor;
  });
}

// dx_j = dy_j · scale_j^−beta − 2 · beta · alpha/size · x_j · Σ dy_c · x_c · scale_c^(−beta − 1) over the channels c
// whose window has j in it: j − (size − 1)/2 to j + size/2.
__global__ void local_response_norm_backward_kernel(LocalResponseNorm norm, const float* x, const float* scale,
                                                    const float* dy, float* dx, std::int64_t rows,
                                                    std::int64_t channels) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (channel >= channels) return;
  const std::int64_t before = channel - (norm.size - 1) / 2, after = channel + norm.size / 2,
                     first = before > 0 ? before : 0, last = after < channels - 1 ? after : channels - 1;
  const float share = 2.0f * norm.beta * norm.alpha / static_cast<float>(norm.size);
  for_each_row(rows, [&](std::int64_t row) {
    const std::int64_t begin = row * channels;
    float sum = 0, own = 0;
    for (std::int64_t c = first; c <= last; ++c) {
      const float passed = dy[begin + c] * powf(scale[begin + c], -norm.beta);
      sum += passed * x[begin + c] / scale[begin + c];
      if (c == channel) own = passed;
    }
    dx[begin + channel] = own - share * x[begin + channel] * sum;
  });
}

}  // namespace

void local_response_norm_forward(cudaStream_t stream, const LocalResponseNorm& norm, const float* x, float* y,
                                 float* scale, std::int64_t rows, std::int64_t channels) {
  if (rows == 0 || channels == 0) return;
  const MatrixThreads threads = matrix_threads(rows, channels);
  launch("local_response_norm_forward", local_response_norm_forward_kernel, threads.grid, threads.block, 0, stream,
         norm, x, y, scale, rows, channels);
}

void local_response_norm_backward(cudaStream_t stream, const LocalResponseNorm& norm, const float* x,
                                  const float* scale, const float* dy, float* dx, std::int64_t rows,
                                  std::int64_t channels) {
  if (rows == 0 || channels == 0) return;
  const MatrixThreads threads = matrix_threads(rows, channels);
  launch("local_response_norm_backward", local_response_norm_backward_kernel, threads.grid, threads.block, 0, stream,
         norm, x, scale, dy, dx, rows, channels);
}

}  // namespace onelogit::cuda
