#include "backend/cuda/dense.h"

#include "backend/cuda/column_parts.h"
#include "backend/cuda/pack.h"
#include "tensor/bfloat16.h"

namespace onelogit::cuda {
namespace {

// n columns a thread.
template <int n>
__global__ void add_bias_kernel(const float* bias, float* y, std::int64_t m, std::int64_t outputs) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= outputs) return;
  float added[n];
  for (int k = 0; k < n; ++k) added[k] = bias[column + k];
  for_each_row(m, [&](std::int64_t row) {
    float* const at = y + row * outputs + column;
    Pack<float, n> pack = load_pack<n>(at);
    for (int k = 0; k < n; ++k) pack.at[k] += added[k];
    store_pack(at, pack);
  });
}

// Every thread of a column gets its sum over `rows` rows.
__device__ __forceinline__ double sum_of_column(const float* dy, std::int64_t rows, std::int64_t column,
                                                std::int64_t outputs) {
  double sum = 0;
  if (column < outputs)
    for_each_run(rows, [&](std::int64_t row, int run) {
      float part = 0;
      for (int k = 0; k < row_run; ++k)
        if (k < run) part += dy[(row + static_cast<std::int64_t>(k) * blockDim.y) * outputs + column];
      sum += static_cast<double>(part);
    });
  return reduce_column(sum, Sum());
}

__global__ void column_sums_kernel(const float* dy, float* dbias, std::int64_t m, std::int64_t outputs) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const double sum = sum_of_column(dy, m, column, outputs);
  if (column < outputs && threadIdx.y == 0) dbias[column] = static_cast<float>(sum);
}

__global__ void column_sums_of_parts_kernel(const float* dy, double* parts, std::int64_t rows, std::int64_t m,
                                            std::int64_t outputs) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const PartRows part = part_rows(m, rows);
  const double sum = sum_of_column(dy + part.first * outputs, part.rows, column, outputs);
  if (column < outputs && threadIdx.y == 0) parts[blockIdx.y * outputs + column] = sum;
}

__global__ void merge_column_sums_kernel(const double* parts, std::int64_t count, float* dbias, std::int64_t outputs) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const double sum = merge_parts(parts, count, column, outputs, 0.0, Sum());
  if (column < outputs && threadIdx.y == 0) dbias[column] = static_cast<float>(sum);
}

__device__ __forceinline__ void convert(std::uint16_t from, float& to) { to = onelogit::bfloat16_to_float32(from); }
__device__ __forceinline__ void convert(float from, std::uint16_t& to) { to = onelogit::float32_to_bfloat16(from); }

// n elements a thread; the last ones of a size that is no multiple of n one by one.
template <int n, class From, class To>
__global__ void convert_kernel(const From* from, To* to, std::int64_t size) {
  for (std::int64_t at = first_index() * n; at < size; at += index_stride() * n) {
    if (at + n > size) {
      for (std::int64_t i = at; i < size; ++i) convert(from[i], to[i]);
      continue;
    }
    const Pack<From, n> source = load_pack<n>(from + at);
    Pack<To, n> result;
    for (int k = 0; k < n; ++k) convert(source.at[k], result.at[k]);
    store_pack(to + at, result);
  }
}

__global__ void rows_to_bfloat16_kernel(const float* from, std::int64_t stride, std::uint16_t* to, std::int64_t rows,
                                        std::int64_t columns) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  for_each_row(rows, [&](std::int64_t row) { convert(from[row * stride + column], to[row * columns + column]); });
}

__global__ void scale_rows_kernel(float* x, std::int64_t stride, float factor, std::int64_t rows,
                                  std::int64_t columns) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  for_each_row(rows, [&](std::int64_t row) {
    float& element = x[row * stride + column];
    element = factor == 0.0f ? 0.0f : factor * element;
  });
}

template <class From, class To>
void launch_convert(const char* name, cudaStream_t stream, const From* from, To* to, std::int64_t size) {
  if (size == 0) return;
  if (is_aligned<4>(from) && is_aligned<4>(to))
    launch(name, convert_kernel<4, From, To>, grid_for((size + 3) / 4), block_threads, 0, stream, from, to, size);
  else
    launch(name, convert_kernel<1, From, To>, grid_for(size), block_threads, 0, stream, from, to, size);
}

}  // namespace

void add_bias(cudaStream_t stream, const float* bias, float* y, std::int64_t m, std::int64_t outputs) {
  if (m == 0 || outputs == 0) return;
  const int n = outputs % 4 == 0 && is_aligned<4>(y) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(m, outputs / n);
  launch("add_bias", n == 4 ? add_bias_kernel<4> : add_bias_kernel<1>, threads.grid, threads.block, 0, stream, bias, y,
         m, outputs);
}

void column_sums(cudaStream_t stream, ColumnScratch& scratch, const float* dy, float* dbias, std::int64_t m,
                 std::int64_t outputs) {
  if (outputs == 0) return;
  const ColumnParts parts = column_parts(m, outputs);
  constexpr std::size_t shared = column_reduce_bytes<double>;
  if (parts.count == 1) {
    launch("column_sums", column_sums_kernel, parts.threads.grid, parts.threads.block, shared, stream, dy, dbias, m,
           outputs);
    return;
  }
  const std::lock_guard<std::mutex> lock(scratch.mutex);
  auto* const sums = parts_memory<double>(scratch);
  launch("column_sums", column_sums_of_parts_kernel, parts.threads.grid, parts.threads.block, shared, stream, dy, sums,
         parts.rows, m, outputs);
  launch("column_sums", merge_column_sums_kernel, parts.strips(), parts.threads.block, shared, stream, sums,
         parts.count, dbias, outputs);
}

void bfloat16_to_float32(cudaStream_t stream, const std::uint16_t* from, float* to, std::int64_t size) {
  launch_convert("bfloat16_to_float32", stream, from, to, size);
}

void float32_to_bfloat16(cudaStream_t stream, const float* from, std::uint16_t* to, std::int64_t size) {
  launch_convert("float32_to_bfloat16", stream, from, to, size);
}

void rows_to_bfloat16(cudaStream_t stream, const float* from, std::int64_t stride, std::uint16_t* to, std::int64_t rows,
                      std::int64_t columns) {
  if (rows == 0 || columns == 0) return;
  if (stride == columns) return float32_to_bfloat16(stream, from, to, rows * columns);
  const MatrixThreads threads = matrix_threads(rows, columns);
  launch("rows_to_bfloat16", rows_to_bfloat16_kernel, threads.grid, threads.block, 0, stream, from, stride, to, rows,
         columns);
}

void scale_rows(cudaStream_t stream, float* x, std::int64_t stride, float factor, std::int64_t rows,
                std::int64_t columns) {
  if (rows == 0 || columns == 0) return;
  const MatrixThreads threads = matrix_threads(rows, columns);
  launch("scale_rows", scale_rows_kernel, threads.grid, threads.block, 0, stream, x, stride, factor, rows, columns);
}

}  // namespace onelogit::cuda
