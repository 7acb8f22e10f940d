#include "backend/cuda/score_column.h"

#include "backend/cuda/pack.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {
namespace {

// What the calling thread, one of `threads`, has of the product of two rows of d: n elements at a time, in four sums
// that do not wait for each other.
template <int n>
__device__ __forceinline__ float thread_dot(const float* a, const float* b, std::int64_t d, std::int64_t thread,
                                            std::int64_t threads) {
  float sum[4] = {0, 0, 0, 0};
  for (std::int64_t first = thread * n; first < d; first += 4 * threads * n) {
    for (int part = 0; part < 4; ++part) {
      const std::int64_t at = first + part * threads * n;
      if (at >= d) continue;
      const Pack<float, n> left = load_pack<n>(a + at), right = load_pack<n>(b + at);
      for (int k = 0; k < n; ++k) sum[part] += left.at[k] * right.at[k];
    }
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// A warp for a row.
template <int n>
__global__ void warp_kernel(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                            std::int64_t d) {
  const unsigned lane = threadIdx.x % warp_size;
  for (std::int64_t i = first_index() / warp_size; i < m; i += index_stride() / warp_size) {
    const float sum = warp_reduce(thread_dot<n>(hidden + i * d, weight_row, d, lane, warp_size), Sum());
    if (lane == 0) out[i] = sum + bias;
  }
}

// A block for a row.
template <int n>
__global__ void block_kernel(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                             std::int64_t d) {
  for (std::int64_t i = blockIdx.x; i < m; i += gridDim.x) {
    const float sum = block_sum(thread_dot<n>(hidden + i * d, weight_row, d, threadIdx.x, blockDim.x));
    if (threadIdx.x == 0) out[i] = sum + bias;
  }
}

template <int n>
void launch_score(cudaStream_t stream, const float* hidden, const float* weight_row, float bias, float* out,
                  std::int64_t m, std::int64_t d) {
  // A few long rows: a warp each would leave most of the GPU without work.
  if (m < 1024 && d >= 2048)
    launch("score_column", block_kernel<n>, grid_for(m, 1), block_threads, 0, stream, hidden, weight_row, bias, out, m,
           d);
  else
    launch("score_column", warp_kernel<n>, grid_for(m, block_threads / warp_size), block_threads, 0, stream, hidden,
           weight_row, bias, out, m, d);
}

}  // namespace

void score_column(cudaStream_t stream, const float* hidden, const float* weight_row, float bias, float* out,
                  std::int64_t m, std::int64_t d) {
  if (m == 0) return;
  const bool packs = d % 4 == 0 && is_aligned<4>(hidden) && is_aligned<4>(weight_row);
  (packs ? launch_score<4> : launch_score<1>)(stream, hidden, weight_row, bias, out, m, d);
}

}  // namespace onelogit::cuda
