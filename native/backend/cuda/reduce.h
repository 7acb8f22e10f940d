// Reductions over the threads of a warp and of a block. Every order of additions is fixed: the same numbers give the
// same bits.
#pragma once

#include <cmath>
#include <cstring>
#include <type_traits>

#include "backend/cuda/launch.h"

namespace onelogit::cuda {

constexpr unsigned all_lanes = 0xffffffffu;
constexpr unsigned warp_size = 32;

// The value of the lane whose number differs by the bits of `lane_mask`: a number, or a struct of whole 32-bit words.
template <class T>
__device__ __forceinline__ T shuffle_xor(T value, int lane_mask) {
  if constexpr (std::is_arithmetic_v<T>) {
    return __shfl_xor_sync(all_lanes, value, lane_mask);
  } else {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(unsigned) == 0, "not made of words");
    unsigned words[sizeof(T) / sizeof(unsigned)];
    memcpy(words, &value, sizeof(T));
    for (unsigned& word : words) word = __shfl_xor_sync(all_lanes, word, lane_mask);
    memcpy(&value, words, sizeof(T));
    return value;
  }
}

// Op: (T, T) → T, commutative; every lane gets the result.
template <class T, class Op>
__device__ __forceinline__ T warp_reduce(T value, Op op) {
  for (int offset = warp_size / 2; offset > 0; offset /= 2) value = op(value, shuffle_xor(value, offset));
  return value;
}

// All threads of a block of whole warps take part, and all get the result. `neutral` changes nothing. Threads may go on
// to the next reduction at once.
template <class T, class Op>
__device__ __forceinline__ T block_reduce(T value, T neutral, Op op) {
  // Bytes, because shared variables have no constructors.
  __align__(16) __shared__ unsigned char storage[(warp_size + 1) * sizeof(T)];
  T* const of_warps = reinterpret_cast<T*>(storage);
  T& result = of_warps[warp_size];
  const unsigned warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size, warps = blockDim.x / warp_size;
  value = warp_reduce(value, op);
  if (lane == 0) of_warps[warp] = value;
  __syncthreads();
  if (warp == 0) {
    value = warp_reduce(lane < warps ? of_warps[lane] : neutral, op);
    if (lane == 0) result = value;
  }
  __syncthreads();
  value = result;
  __syncthreads();  // `result` and `of_warps` may be written again from here on
  return value;
}

struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};
// NaN only where all are.
struct Max {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
template <class T>
__device__ __forceinline__ T block_sum(T value) {
  return block_reduce(value, T{0}, Sum());
}

}  // namespace onelogit::cuda
