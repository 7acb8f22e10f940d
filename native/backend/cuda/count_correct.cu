#include "backend/cuda/count_correct.h"

#include "backend/cuda/reduce.h"

namespace onelogit::cuda {
namespace {

// Every earlier logit must be smaller, every later one must not be larger: a comparison with NaN is false. A thread
// looks no further once one of its own is not.
__device__ __forceinline__ bool none_beats(const float* row, std::int64_t k, std::int64_t label) {
  const float z = row[label];
  bool good = z == z;
  for (std::int64_t j = threadIdx.x; good && j < label; j += blockDim.x) good = row[j] < z;
  for (std::int64_t j = label + 1 + threadIdx.x; good && j < k; j += blockDim.x) good = row[j] <= z;
  return good;
}

// A block for a row; rows beyond the grid follow. Additions of integers give the same in any order.
__global__ void count_correct_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                     unsigned long long* count) {
  unsigned long long correct = 0;
  for (std::int64_t i = blockIdx.x; i < m; i += gridDim.x) {
    const std::int32_t label = labels[i];
    if (label < 0 || label >= k) continue;
    const int good = none_beats(logits + i * k, k, label) ? 1 : 0;
    if (block_reduce(good, 1, [](int a, int b) { return a & b; }) != 0) ++correct;
  }
  if (threadIdx.x == 0 && correct > 0) atomicAdd(count, correct);
}

}  // namespace

void count_correct(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                   std::int64_t* count) {
  check(cudaMemsetAsync(count, 0, sizeof(*count), stream), "count_correct");
  if (m == 0) return;
  // Enough blocks for any GPU, and not so many that they wait for each other at the counter.
  constexpr std::int64_t most_blocks = 2048;
  launch("count_correct", count_correct_kernel, grid_for(m, 1, most_blocks), k <= 256 ? warp_size : block_threads, 0,
         stream, logits, labels, m, k, reinterpret_cast<unsigned long long*>(count));
}

}  // namespace onelogit::cuda
