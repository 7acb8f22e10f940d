// One block: 8 bytes a row are read.

#include "backend/cuda/loss/row_sum.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {
namespace {

__global__ void sum_of_rows_kernel(const double* row_value, std::int64_t m, double scale, double* value) {
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) total += row_value[i];
  total = block_sum(total);
  if (threadIdx.x == 0) *value = total * scale;
}

}  // namespace

void sum_of_rows(cudaStream_t stream, const double* row_value, std::int64_t m, double scale, double* value) {
  launch("sum_of_rows", sum_of_rows_kernel, 1, block_threads, 0, stream, row_value, m, scale, value);
}

}  // namespace onelogit::cuda
