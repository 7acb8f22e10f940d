#include "backend/cuda/examples.h"

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"

namespace onelogit::cuda {
namespace {

// n columns a thread.
template <class T, int n>
__global__ void convert_kernel(const T* x, Conversion conversion, float* out, std::int64_t m, std::int64_t features) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= features) return;
  float mean[n], inverse[n];
  std::int64_t channel = conversion.channels > 0 ? column % conversion.channels : 0;
  for (int k = 0; k < n; ++k) {
    mean[k] = conversion.channels > 0 ? conversion.mean[channel] : 0.0f;
    inverse[k] = conversion.channels > 0 ? conversion.inverse[channel] : 1.0f;
    channel = channel + 1 < conversion.channels ? channel + 1 : 0;
  }
  for_each_row(m, [&](std::int64_t row) {
    const std::int64_t at = row * features + column;
    const Pack<T, n> source = load_pack<n>(x + at);
    Pack<float, n> result;
    for (int k = 0; k < n; ++k)
      result.at[k] = (static_cast<float>(source.at[k]) * conversion.scale - mean[k]) * inverse[k];
    store_pack(out + at, result);
  });
}

}  // namespace

template <class T>
void convert_examples(cudaStream_t stream, const T* x, const Conversion& conversion, float* out, std::int64_t m,
                      std::int64_t features) {
  if (m == 0 || features == 0) return;
  const int n = features % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(out) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(m, features / n);
  launch("convert_examples", n == 4 ? convert_kernel<T, 4> : convert_kernel<T, 1>, threads.grid, threads.block, 0,
         stream, x, conversion, out, m, features);
}

template void convert_examples(cudaStream_t, const std::uint8_t*, const Conversion&, float*, std::int64_t,
                               std::int64_t);
template void convert_examples(cudaStream_t, const float*, const Conversion&, float*, std::int64_t, std::int64_t);
template void convert_examples(cudaStream_t, const std::int32_t*, const Conversion&, float*, std::int64_t,
                               std::int64_t);

}  // namespace onelogit::cuda
