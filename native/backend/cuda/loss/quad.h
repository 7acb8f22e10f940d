// Four elements of a run that a thread takes at once: neighbours, as one 16-byte access, or one out of each of four
// neighbouring strips, where rows do not begin at multiples of 16 bytes. In both, a warp's accesses lie side by side.
#pragma once

#include "backend/cuda/launch.h"

namespace onelogit::cuda {

constexpr int quad_size = 4;

// Elements that the threads of a team (x of the block) cover with one quad each.
__device__ __forceinline__ std::int64_t quads_length() { return static_cast<std::int64_t>(blockDim.x) * quad_size; }

// Index: of elements in the run; `int` spares registers where it is enough. Neighbours that are not `ragged` lie before
// the run's end or beyond it, never across.
template <bool neighbours, class Index = std::int64_t, bool ragged = true>
struct Quad {
  Index first;

  // The calling thread's part of the elements from `begin`.
  static __device__ __forceinline__ Quad from(Index begin) {
    return {begin + static_cast<Index>(threadIdx.x) * (neighbours ? quad_size : 1)};
  }
  __device__ __forceinline__ Index at(int c) const {
    return first + (neighbours ? c : c * static_cast<Index>(blockDim.x));
  }

  // What lies at `end` or beyond is `fill`.
  __device__ __forceinline__ void load(const float* run, Index end, float fill, float (&out)[quad_size]) const {
    if (neighbours && at(quad_size - 1) < end) {
      const float4 four = *reinterpret_cast<const float4*>(run + first);
      out[0] = four.x;
      out[1] = four.y;
      out[2] = four.z;
      out[3] = four.w;
    } else {
      for (int c = 0; c < quad_size; ++c) out[c] = (!neighbours || ragged) && at(c) < end ? run[at(c)] : fill;
    }
  }
  __device__ __forceinline__ void store(float* run, Index end, const float (&in)[quad_size]) const {
    if (neighbours && at(quad_size - 1) < end) {
      *reinterpret_cast<float4*>(run + first) = make_float4(in[0], in[1], in[2], in[3]);
    } else if (!neighbours || ragged) {
      for (int c = 0; c < quad_size; ++c)
        if (at(c) < end) run[at(c)] = in[c];
    }
  }

  // Whether the calling thread is the one that has element `index` of a run that quads cover from `begin` on.
  static __device__ __forceinline__ bool holds(Index begin, Index index) {
    return static_cast<unsigned>((index - begin) / (neighbours ? quad_size : 1) % blockDim.x) == threadIdx.x;
  }
};

// Whether quads may be neighbours in runs that begin at the multiples of `length` from either pointer (null: any).
inline bool quads_are_aligned(const float* a, const float* b, std::int64_t length) {
  constexpr std::uintptr_t bytes = quad_size * sizeof(float);
  return length % quad_size == 0 && reinterpret_cast<std::uintptr_t>(a) % bytes == 0 &&
         reinterpret_cast<std::uintptr_t>(b) % bytes == 0;
}

}  // namespace onelogit::cuda
