#include "backend/cuda/embedding.h"

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"

namespace onelogit::cuda {
namespace {

// `width` columns a thread.
template <int width>
__global__ void embedding_kernel(const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                                 std::int64_t columns) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * width;
  if (column >= columns) return;
  for_each_row(n, [&](std::int64_t i) {
    store_pack(y + i * columns + column,
               load_pack<width>(table + static_cast<std::int64_t>(ids[i]) * columns + column));
  });
}

}  // namespace

void embedding_forward(cudaStream_t stream, const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                       std::int64_t columns) {
  if (n == 0 || columns == 0) return;
  const int width = columns % 4 == 0 && is_aligned<4>(table) && is_aligned<4>(y) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(n, columns / width);
  launch("embedding_forward", width == 4 ? embedding_kernel<4> : embedding_kernel<1>, threads.grid, threads.block, 0,
         stream, ids, table, y, n, columns);
}

}  // namespace onelogit::cuda
