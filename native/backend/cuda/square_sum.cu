#include "backend/cuda/square_sum.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/linear_loss/block.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {
namespace {

// Squares of float32 are exact in float64 and cannot overflow there.
__global__ void square_partials_kernel(const float* x, const std::int32_t* rows, std::int64_t most_rows,
                                       std::int64_t columns, double* partial) {
  const std::int64_t size = (rows == nullptr ? most_rows : *rows) * columns;
  double sum = 0;
  for (std::int64_t i = first_index(); i < size; i += index_stride())
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

}  // namespace

void add_squares(cudaStream_t stream, const float* x, const std::int32_t* rows, std::int64_t most_rows,
                 std::int64_t columns, double* partial, double* total) {
  const unsigned partials = grid_for(most_rows * columns, 4 * block_threads, most_square_partials);
  launch("squares", square_partials_kernel, partials, block_threads, 0, stream, x, rows, most_rows, columns, partial);
  add_partial_sums(stream, partial, partials, total);
}

}  // namespace onelogit::cuda
