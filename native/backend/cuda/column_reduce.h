// Reductions down the columns of a row-major matrix. A block has a strip of columns to itself, from the first row to
// the last: no second launch and no workspace, and a pass over the strip that follows finds it in the cache. The order
// of all additions follows from the matrix's shape.
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/matrix_threads.h"

namespace onelogit::cuda {

// Rows that a thread has in registers at a time. They are summed in float32, their sums in float64: next to nothing is
// lost, and GPUs with few float64 units do not wait for them.
constexpr int row_run = 8;

// Eight columns, 32 bytes, are as little as memory transfers; strips are no wider as long as that makes more blocks
// than a GPU has multiprocessors.
inline MatrixThreads column_strips(std::int64_t columns) {
  const unsigned width = tile_width(columns, columns < 2048 ? 8 : warp_size);
  return {dim3(static_cast<unsigned>((columns + width - 1) / width)), dim3(width, block_threads / width)};
}
// Dynamic shared memory of a kernel that calls reduce_column with T.
template <class T>
constexpr std::size_t column_reduce_bytes = block_threads * sizeof(T);

// body(row, rows) for each run of the calling thread's rows: `rows` of them, row_run at most, blockDim.y apart.
template <class Body>
__device__ __forceinline__ void for_each_run(std::int64_t m, Body&& body) {
  for (std::int64_t row = threadIdx.y; row < m; row += static_cast<std::int64_t>(row_run) * blockDim.y) {
    const std::int64_t rows = (m - row + blockDim.y - 1) / blockDim.y;
    body(row, rows < row_run ? static_cast<int>(rows) : row_run);
  }
}

// Every thread of a column gets op over all of its threads' values. Once in a kernel: the shared memory that it needs
// is not free again.
template <class T, class Op>
__device__ __forceinline__ T reduce_column(T value, Op op) {
  T* const values = dynamic_shared<T>();
  const unsigned at = threadIdx.y * blockDim.x + threadIdx.x;
  values[at] = value;
  for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.y < half) values[at] = op(values[at], values[at + half * blockDim.x]);
  }
  __syncthreads();
  return values[threadIdx.x];
}

}  // namespace onelogit::cuda
