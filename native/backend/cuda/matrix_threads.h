// Threads over a row-major matrix whose columns have something of their own, such as a bias: a thread stays in its
// column and goes down the rows, so that it fetches this once. A block is a tile, `x` along the columns: a warp reads
// along a row, or, where rows are shorter, along several.
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {

struct MatrixThreads {
  dim3 grid, block;
};

// The smallest power of two that is not below `columns`, but `most` at most.
inline unsigned tile_width(std::int64_t columns, unsigned most) {
  unsigned width = 1;
  while (width < most && width < columns) width *= 2;
  return width;
}

// For m×columns threads; m and columns are not 0.
inline MatrixThreads matrix_threads(std::int64_t m, std::int64_t columns) {
  constexpr std::int64_t most_blocks = 16384;
  const unsigned width = tile_width(columns, warp_size), height = block_threads / width;
  const auto across = static_cast<unsigned>((columns + width - 1) / width);
  const std::int64_t most = most_blocks / across;
  return {dim3(across, grid_for(m, height, most < 1 ? 1 : most)), dim3(width, height)};
}

// body(row) for each row of the calling thread.
template <class Body>
__device__ __forceinline__ void for_each_row(std::int64_t m, Body&& body) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < m; row += step)
    body(row);
}

}  // namespace onelogit::cuda
