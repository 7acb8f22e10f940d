// Packing of operands for gemm.cc: a block becomes strips, a strip holds for each l of the inner dimension its `width`
// elements side by side, so that the inner kernel reads both operands front to back. Only for kernels/*.cc (see
// dispatch.h).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/shuffle.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// A strip of `count` ≤ width elements whose l are contiguous in memory: element i, l is p[i·stride + l]. Writes k·width
// floats times `alpha`, zeros beyond count; may write up to `lanes` floats of garbage after them.
ONELOGIT_INLINE void pack_transposed(const float* p, std::int64_t stride, std::int64_t count, std::int64_t k,
                                     float alpha, std::int64_t width, float* out) {
  const std::int64_t whole = k / lanes * lanes;
  // The last group of elements may be narrower than a vector: its stores run into the first elements of the next l. So
  // it comes first, and each l before the next.
  for (std::int64_t group = (width - 1) / lanes * lanes; group >= 0; group -= lanes) {
    for (std::int64_t l = 0; l < whole; l += lanes) {
      VectorF block[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        block[i] = group + i < count ? load(p + (group + i) * stride + l) * alpha : VectorF{};
      transpose(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store(out + (l + i) * width + group, block[i]);
    }
  }
  for (std::int64_t l = whole; l < k; ++l)
    for (std::int64_t i = 0; i < width; ++i) out[l * width + i] = i < count ? p[i * stride + l] * alpha : 0.0f;
}

// A strip of `count` ≤ width elements that are contiguous in memory: element i, l is p[l·stride + i].
ONELOGIT_INLINE void pack_straight(const float* p, std::int64_t stride, std::int64_t count, std::int64_t k, float alpha,
                                   std::int64_t width, float* out) {
  for (std::int64_t l = 0; l < k; ++l, p += stride, out += width) {
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes) store(out + i, load(p + i) * alpha);
    if (i < count) {
      const VectorF last = load_partial(p + i, count - i, 0.0f) * alpha;
      // Past a narrow strip: the next l overwrites it.
      store(out + i, last);
      i += lanes;
    }
    for (; i < width; i += lanes) store(out + i, VectorF{});
  }
}

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
