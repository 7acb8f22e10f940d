#include "backend/cuda/dense.h"

#include "backend/cuda/column_reduce.h"
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

__global__ void column_sums_kernel(const float* dy, float* dbias, std::int64_t m, std::int64_t outputs) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  double sum = 0;
  if (column < outputs)
    for_each_run(m, [&](std::int64_t row, int rows) {
      float part = 0;
      for (int k = 0; k < row_run; ++k)
        if (k < rows) part += dy[(row + static_cast<std::int64_t>(k) * blockDim.y) * outputs + column];
      sum += static_cast<double>(part);
    });
  sum = reduce_column(sum, Sum());
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

void column_sums(cudaStream_t stream, const float* dy, float* dbias, std::int64_t m, std::int64_t outputs) {
  if (outputs == 0) return;
  const MatrixThreads threads = column_strips(outputs);
  launch("column_sums", column_sums_kernel, threads.grid, threads.block, column_reduce_bytes<double>, stream, dy, dbias,
         m, outputs);
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
