// Reductions down the columns of a matrix with many more rows than columns, such as the pixels of images: strips are
// too few blocks for a GPU. Each is cut into parts of its rows, a block each, and a second launch merges what came of
// them, in an order that follows from the matrix's shape.
#pragma once

#include "backend/cuda/column_reduce.h"
#include "backend/cuda/column_scratch.h"

namespace onelogit::cuda {

struct ColumnParts {
  MatrixThreads threads;         // of the launch over the parts; grid.x strips, grid.y parts
  std::int64_t count = 1, rows;  // parts, and rows of each; of the last one what is left

  // Blocks, for the strips of a second launch.
  dim3 strips() const { return dim3(threads.grid.x); }
};

// As many parts as make a thousand blocks, of a thousand rows at least; 1 where the matrix has few rows or many
// columns.
inline ColumnParts column_parts(std::int64_t m, std::int64_t columns) {
  constexpr std::int64_t most_blocks = 1024, least_rows = 1024;
  ColumnParts parts{column_strips(columns), 1, m};
  const std::int64_t strips = parts.threads.grid.x, by_rows = m / least_rows,
                     most = by_rows < most_blocks / strips ? by_rows : most_blocks / strips;
  if (most < 2) return parts;
  parts.rows = (m + most - 1) / most;
  parts.count = (m + parts.rows - 1) / parts.rows;
  parts.threads.grid.y = static_cast<unsigned>(parts.count);
  return parts;
}

// The first of a block's rows, and how many.
struct PartRows {
  std::int64_t first, rows;
};
__device__ __forceinline__ PartRows part_rows(std::int64_t m, std::int64_t rows) {
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * rows;
  return {first, m - first < rows ? m - first : rows};
}

// op over a column's values in count × columns of them; every thread of the column gets it. `neutral` changes nothing.
// Once in a kernel, as reduce_column.
template <class T, class Op>
__device__ __forceinline__ T merge_parts(const T* parts, std::int64_t count, std::int64_t column, std::int64_t columns,
                                         T neutral, Op op) {
  T value = neutral;
  if (column < columns)
    for (std::int64_t part = threadIdx.y; part < count; part += blockDim.y)
      value = op(value, parts[part * columns + column]);
  return reduce_column(value, op);
}

// The scratch as room for count × columns of T, and what is left of it. There is always enough: parts are two or more
// only where a thousand blocks of at most 32 columns are all that there are.
template <class T>
T* parts_memory(const ColumnScratch& scratch) {
  return reinterpret_cast<T*>(scratch.memory.data());
}
template <class T>
float* after_parts(const ColumnScratch& scratch, const ColumnParts& parts, std::int64_t columns) {
  static_assert(1024 * warp_size * sizeof(T) + 512 * warp_size * 3 * sizeof(float) <= ColumnScratch::bytes);
  return reinterpret_cast<float*>(parts_memory<T>(scratch) + parts.count * columns);
}

}  // namespace onelogit::cuda
