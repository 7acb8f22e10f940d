// The threads that work on one piece of a loss together: a warp, several of them in a block, or a whole block. Blocks
// are (32, teams of a warp) or (threads, 1).
#pragma once

#include <cmath>

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {

template <bool one_warp>
struct Team {
  // for (piece = Team::first(); piece < pieces; piece += Team::stride()) gives every piece to one team.
  static __device__ __forceinline__ std::int64_t first() {
    return static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  }
  static __device__ __forceinline__ std::int64_t stride() { return static_cast<std::int64_t>(gridDim.x) * blockDim.y; }

  // Every thread gets the result.
  template <class T, class Op>
  static __device__ __forceinline__ T reduce(T value, T neutral, Op op) {
    if constexpr (one_warp)
      return warp_reduce(value, op);
    else
      return block_reduce(value, neutral, op);
  }
  static __device__ __forceinline__ float max(float value) { return reduce(value, -INFINITY, Max()); }
  static __device__ __forceinline__ double sum(double value) { return reduce(value, 0.0, Sum()); }

  // What thread 0 has, for every thread. Between two calls in a block of several warps there must be a reduction.
  static __device__ __forceinline__ float broadcast(float value) {
    if constexpr (one_warp) {
      return __shfl_sync(all_lanes, value, 0);
    } else {
      __shared__ float shared;
      if (threadIdx.x == 0) shared = value;
      __syncthreads();
      return shared;
    }
  }
};

constexpr std::int64_t longest_warp_row = 1024;  // beyond, a row is worth a block

struct TeamShape {
  dim3 grid, block;
};
constexpr unsigned warps_per_block = 8, most_blocks = 1U << 20;
inline TeamShape warp_teams(std::int64_t pieces) {
  return {dim3(grid_for(pieces, warps_per_block, most_blocks)), dim3(warp_size, warps_per_block)};
}
inline TeamShape block_teams(std::int64_t pieces, unsigned threads = block_threads) {
  return {dim3(grid_for(pieces, 1, most_blocks)), dim3(threads)};
}

}  // namespace onelogit::cuda
