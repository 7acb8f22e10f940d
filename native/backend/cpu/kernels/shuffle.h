// Moving elements between the lanes of simd.h's vectors. Only for kernels/*.cc (see dispatch.h).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

#if defined(__AVX512F__)
#define ONELOGIT_ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ONELOGIT_ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(__AVX2__)
#define ONELOGIT_ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ONELOGIT_ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define ONELOGIT_ZIP_LOW 0, 4, 1, 5
#define ONELOGIT_ZIP_HIGH 2, 6, 3, 7
#endif
#if defined(__clang__)
#define ONELOGIT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define ONELOGIT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, VectorI{__VA_ARGS__})
#endif

// a₀ b₀ a₁ b₁ …: of the lower, of the upper halves.
ONELOGIT_INLINE VectorF zip_low(VectorF a, VectorF b) { return ONELOGIT_SHUFFLE(a, b, ONELOGIT_ZIP_LOW); }
ONELOGIT_INLINE VectorF zip_high(VectorF a, VectorF b) { return ONELOGIT_SHUFFLE(a, b, ONELOGIT_ZIP_HIGH); }

// Transposes a square of vectors: interleaving rows i and i + lanes/2 is one of log2(lanes) like steps.
ONELOGIT_INLINE void transpose(VectorF (&v)[lanes]) {
#pragma GCC unroll 8
  for (int step = 1; step < lanes; step *= 2) {
    VectorF next[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes / 2; ++i) {
      next[2 * i] = zip_low(v[i], v[i + lanes / 2]);
      next[2 * i + 1] = zip_high(v[i], v[i + lanes / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) v[i] = next[i];
  }
}

// The sum of each of `count` vectors (a power of two, at most lanes) to out[0 … count): zipping two vectors and adding
// the halves leaves half as many vectors, each with the partial sums of both in turn.
template <int count>
ONELOGIT_INLINE void sums(VectorF (&v)[count], float* out) {
  int left = count;
#pragma GCC unroll 8
  for (int step = 1; step < lanes; step *= 2) {
    const int half = left > 1 ? left / 2 : 1;
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      const VectorF other = left > 1 ? v[i + half] : v[i];
      v[i] = zip_low(v[i], other) + zip_high(v[i], other);
    }
    left = half;
  }
#pragma GCC unroll 16
  for (int i = 0; i < count; ++i) out[i] = v[0][i * (lanes / count)];
}

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
