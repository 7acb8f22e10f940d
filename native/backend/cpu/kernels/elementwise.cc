#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/kernels/shuffle.h"
#include "backend/cpu/kernels/simd.h"
#include "random/philox.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

void relu(const float* x, float* y, std::int64_t n) {
  const VectorF zero = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VectorF v = load(x + i);
    store(y + i, select(v < zero, zero, v));  // a comparison with NaN is false: NaN is kept
  }
  for (; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void relu_backward(const float* y, const float* dy, float* dx, std::int64_t n) {
  const VectorF zero = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(dx + i, select(load(y + i) > zero, load(dy + i), zero));
  for (; i < n; ++i) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

typedef std::uint32_t VectorU __attribute__((vector_size(4 * lanes)));
typedef std::uint64_t VectorU64 __attribute__((vector_size(4 * lanes)));  // lanes / 2 of them

// The 64-bit products of the lower halves of a and one number.
ONELOGIT_INLINE VectorU64 multiply_lower(VectorU64 a, std::uint32_t b) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorU64>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), _mm512_set1_epi64(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<VectorU64>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<VectorU64>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), _mm_set1_epi64x(b)));
#else
  return (a & 0xffffffffU) * static_cast<std::uint64_t>(b);
#endif
}

// Philox of `lanes` counters (group, group + 1, …; step) at once: word w of each in words[w]. Even and odd counters are
// in registers of 64-bit lanes whose upper halves hold leftovers.
ONELOGIT_INLINE void philox_lanes(std::uint64_t seed, std::uint64_t group, std::uint64_t step, VectorF (&words)[4]) {
  VectorU64 c[2][4];
  for (int odd = 0; odd < 2; ++odd) {
    VectorU64 counter;
    for (int i = 0; i < lanes / 2; ++i) counter[i] = group + static_cast<std::uint64_t>(2 * i + odd);
    c[odd][0] = counter;
    c[odd][1] = counter >> 32;
    c[odd][2] = VectorU64{} + (step & 0xffffffffU);
    c[odd][3] = VectorU64{} + (step >> 32);
  }
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
      VectorU64(&w)[4] = c[odd];
      const VectorU64 p0 = multiply_lower(w[0], philox_multiplier0), p1 = multiply_lower(w[2], philox_multiplier1);
      w[0] = (p1 >> 32) ^ w[1] ^ static_cast<std::uint64_t>(k0);
      w[2] = (p0 >> 32) ^ w[3] ^ static_cast<std::uint64_t>(k1);
      w[1] = p1;
      w[3] = p0;
    }
    k0 += philox_weyl0;
    k1 += philox_weyl1;
  }
#pragma GCC unroll 4
  for (int w = 0; w < 4; ++w)
    words[w] =
        reinterpret_cast<VectorF>((c[0][w] & 0xffffffffU) | (c[1][w] << 32));  // little-endian: even lanes, odd lanes
}

ONELOGIT_INLINE float dropped(float x, std::uint32_t word, std::uint32_t threshold, float scale) {
  return word >= threshold ? x * scale : 0.0f;
}

void dropout(const float* x, float* y, std::int64_t begin, std::int64_t end, std::uint32_t threshold, float scale,
             std::uint64_t seed, std::uint64_t step) {
  std::int64_t i = begin;
  const auto until = [&](std::int64_t stop) {
    while (i < stop) {
      const PhiloxWords random = philox4x32(seed, static_cast<std::uint64_t>(i / 4), step);
      do {
        y[i] = dropped(x[i], random.word[i % 4], threshold, scale);
        ++i;
      } while (i % 4 != 0 && i < stop);
    }
  };
  const std::int64_t first_group = (begin + 3) / 4 * 4;
  until(first_group < end ? first_group : end);
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
    VectorF word[4];
    philox_lanes(seed, static_cast<std::uint64_t>(i / 4), step, word);
    // Element 4g + w is word w of group g.
    const VectorF even_low = zip_low(word[0], word[2]), odd_low = zip_low(word[1], word[3]);
    const VectorF even_high = zip_high(word[0], word[2]), odd_high = zip_high(word[1], word[3]);
    const VectorF random[4] = {zip_low(even_low, odd_low), zip_high(even_low, odd_low), zip_low(even_high, odd_high),
                               zip_high(even_high, odd_high)};
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const VectorI keep = reinterpret_cast<VectorU>(random[v]) >= threshold;
      store(y + i + v * lanes, select(keep, load(x + i + v * lanes) * scale, VectorF{}));
    }
  }
  until(end);
}

void fill_rows(const float* x, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row, y += stride) {
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) store(y + i, load(x + i));
    for (; i < n; ++i) y[i] = x[i];
  }
}

void scale_rows(float beta, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  if (beta == 1.0f) return;
  for (std::int64_t row = 0; row < rows; ++row, y += stride) {
    if (beta == 0.0f) {
      for (std::int64_t i = 0; i < n; ++i) y[i] = 0.0f;
    } else {
      for (std::int64_t i = 0; i < n; ++i) y[i] *= beta;
    }
  }
}

void add(const float* a, const float* b, float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, load(a + i) + load(b + i));
  for (; i < n; ++i) y[i] = a[i] + b[i];
}

}  // namespace

const ElementwiseKernels elementwise_kernels_table = {relu, relu_backward, dropout, fill_rows, scale_rows, add};

}  // namespace onelogit::ONELOGIT_SIMD
