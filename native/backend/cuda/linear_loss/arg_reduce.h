// The largest of all threads of a block and where it is.
#pragma once

#include "backend/cuda/reduce.h"
#include "loss/arg_state.h"

namespace onelogit::cuda {

// Blocks of block_threads threads. All get the result; threads may go on to the next at once.
__device__ __forceinline__ ArgMax block_arg_max(ArgMax own) {
  // Shared memory cannot hold what has a constructor.
  __shared__ float value[block_threads];
  __shared__ std::int64_t index[block_threads];
  value[threadIdx.x] = own.value;
  index[threadIdx.x] = own.index;
  __syncthreads();
  for (unsigned half = block_threads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      const ArgMax merged =
          merge({value[threadIdx.x], index[threadIdx.x]}, {value[threadIdx.x + half], index[threadIdx.x + half]});
      value[threadIdx.x] = merged.value;
      index[threadIdx.x] = merged.index;
    }
    __syncthreads();
  }
  const ArgMax result{value[0], index[0]};
  __syncthreads();
  return result;
}

}  // namespace onelogit::cuda
