#include "backend/cuda/epilogue.h"

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"

namespace onelogit::cuda {
namespace {

// n columns a thread.
template <int n>
__global__ void finish_product_kernel(const float* bias, const float* residual, bool relu, float* y, std::int64_t m,
                                      std::int64_t outputs) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= outputs) return;
  float added[n];
  for (int k = 0; k < n; ++k) added[k] = bias == nullptr ? 0.0f : bias[column + k];
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * outputs + column;
    Pack<float, n> pack = load_pack<n>(y + at);
    for (int k = 0; k < n; ++k) pack.at[k] += added[k];
    if (residual != nullptr) {
      const Pack<float, n> more = load_pack<n>(residual + at);
      for (int k = 0; k < n; ++k) pack.at[k] += more.at[k];
    }
    if (relu)
      for (int k = 0; k < n; ++k) pack.at[k] = pack.at[k] <= 0.0f ? 0.0f : pack.at[k];  // NaN stays
    store_pack(y + at, pack);
  });
}

}  // namespace

void finish_product(cudaStream_t stream, const float* bias, const float* residual, bool relu, float* y, std::int64_t m,
                    std::int64_t outputs) {
  if (m == 0 || outputs == 0 || (bias == nullptr && residual == nullptr && !relu)) return;
  const int n = outputs % 4 == 0 && is_aligned<4>(y) && is_aligned<4>(residual) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(m, outputs / n);
  launch("finish_product", n == 4 ? finish_product_kernel<4> : finish_product_kernel<1>, threads.grid, threads.block, 0,
         stream, bias, residual, relu, y, m, outputs);
}

}  // namespace onelogit::cuda
