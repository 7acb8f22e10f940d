// Vectors of float32 as wide as the instruction set this file is compiled for, on GCC's and clang's vector extension:
// the same source gives SSE2, AVX2, AVX-512 and NEON. Only for kernels/*.cc (see dispatch.h).
#pragma once

#include <cstdint>

// Always inlined, so they leave no symbols.
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace onelogit::ONELOGIT_SIMD {
namespace {

#if defined(__AVX512F__)
inline constexpr int lanes = 16;
#elif defined(__AVX2__)
inline constexpr int lanes = 8;
#else
inline constexpr int lanes = 4;
#endif

typedef float VectorF __attribute__((vector_size(4 * lanes)));
typedef std::int32_t VectorI __attribute__((vector_size(4 * lanes)));
typedef float VectorFUnaligned __attribute__((vector_size(4 * lanes), aligned(4), may_alias));
typedef double VectorD __attribute__((vector_size(8 * lanes)));

#define ONELOGIT_INLINE [[gnu::always_inline]] inline

ONELOGIT_INLINE VectorF load(const float* p) { return *reinterpret_cast<const VectorFUnaligned*>(p); }
ONELOGIT_INLINE void store(float* p, VectorF v) { *reinterpret_cast<VectorFUnaligned*>(p) = v; }
ONELOGIT_INLINE VectorF broadcast(float x) { return x - VectorF{}; }
// a · b + c, fused wherever the instruction set has it: for sums that must not depend on what a compiler contracts in
// which copy of the code.
ONELOGIT_INLINE VectorF multiply_add(VectorF a, VectorF b, VectorF c) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorF>(
      _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__AVX2__)
  return reinterpret_cast<VectorF>(
      _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#elif defined(__aarch64__)
  return reinterpret_cast<VectorF>(
      vfmaq_f32(reinterpret_cast<float32x4_t>(c), reinterpret_cast<float32x4_t>(a), reinterpret_cast<float32x4_t>(b)));
#else
  return a * b + c;
#endif
}
#if defined(__AVX2__) && !defined(__AVX512F__)
// The first `count` < 8 lanes.
ONELOGIT_INLINE __m256i partial_mask(std::int64_t count) {
  static const std::int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(ones + 8 - count));
}
#endif
// The first `count` < lanes elements, the rest `fill`; touches no memory past them.
ONELOGIT_INLINE VectorF load_partial(const float* p, std::int64_t count, float fill) {
  VectorF v = broadcast(fill);
#if defined(__AVX512F__)
  const auto mask = static_cast<__mmask16>((1U << count) - 1U);
  v = reinterpret_cast<VectorF>(_mm512_mask_loadu_ps(reinterpret_cast<__m512>(v), mask, p));
#elif defined(__AVX2__)
  const __m256i mask = partial_mask(count);
  v = reinterpret_cast<VectorI>(mask) ? reinterpret_cast<VectorF>(_mm256_maskload_ps(p, mask)) : v;
#else
  if (count > 0) v[0] = p[0];
  if (count > 1) v[1] = p[1];
  if (count > 2) v[2] = p[2];
#endif
  return v;
}
ONELOGIT_INLINE void store_partial(float* p, VectorF v, std::int64_t count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1U), reinterpret_cast<__m512>(v));
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, partial_mask(count), reinterpret_cast<__m256>(v));
#else
  if (count > 0) p[0] = v[0];
  if (count > 1) p[1] = v[1];
  if (count > 2) p[2] = v[2];
#endif
}

// a wherever the comparison holds, else b. A comparison with NaN is false.
ONELOGIT_INLINE VectorF select(VectorI mask, VectorF a, VectorF b) { return mask ? a : b; }
// NaN in `b` is kept; NaN in `a` gives b. One instruction on x86, which compilers do not find by themselves without
// -ffast-math.
ONELOGIT_INLINE VectorF max(VectorF a, VectorF b) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorF>(
      _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<VectorF>(_mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<VectorF>(_mm_max_ps(reinterpret_cast<__m128>(a), reinterpret_cast<__m128>(b)));
#else
  return select(a > b, a, b);
#endif
}
ONELOGIT_INLINE VectorF min(VectorF a, VectorF b) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorF>(
      _mm512_maskz_min_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<VectorF>(_mm256_min_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<VectorF>(_mm_min_ps(reinterpret_cast<__m128>(a), reinterpret_cast<__m128>(b)));
#else
  return select(a < b, a, b);
#endif
}

ONELOGIT_INLINE VectorI bits(VectorF v) { return reinterpret_cast<VectorI>(v); }
ONELOGIT_INLINE VectorF from_bits(VectorI v) { return reinterpret_cast<VectorF>(v); }
ONELOGIT_INLINE VectorF abs(VectorF a) { return from_bits(bits(a) & 0x7fffffff); }

ONELOGIT_INLINE VectorF square_root(VectorF v) {
  VectorF result;
  for (int i = 0; i < lanes; ++i) result[i] = __builtin_sqrtf(v[i]);  // becomes one instruction
  return result;
}

// Sums in a fixed order, the same for every instruction set of this width.
// Half onto half until one is left. Spelled out: of a loop over lanes compilers make one scalar addition each.
typedef float Vector4 __attribute__((vector_size(16)));
ONELOGIT_INLINE float sum4(Vector4 v) {
  v += __builtin_shufflevector(v, v, 2, 3, 2, 3);
  return v[0] + v[1];
}
#if defined(__AVX2__)
typedef float Vector8 __attribute__((vector_size(32)));
ONELOGIT_INLINE float sum8(Vector8 v) {
  return sum4(__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7));
}
#endif
ONELOGIT_INLINE float sum(VectorF v) {
#if defined(__AVX512F__)
  return sum8(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
#elif defined(__AVX2__)
  return sum8(v);
#else
  return sum4(v);
#endif
}
ONELOGIT_INLINE double sum_double(VectorF v) {
  double total = 0;
  for (int i = 0; i < lanes; ++i) total += static_cast<double>(v[i]);
  return total;
}
// Not for vectors with NaN.
ONELOGIT_INLINE float largest(VectorF v) {
  float best[lanes];
  store(best, v);
#pragma GCC unroll 4
  for (int width = lanes / 2; width > 0; width /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < width; ++i) best[i] = best[i] > best[i + width] ? best[i] : best[i + width];
  return best[0];
}

// e^x to about 1 ulp (x − n ln 2 in two parts, degree-6 polynomial on [−ln2/2, ln2/2]); 0 below −104, +∞ above 88.73,
// subnormal results kept, NaN kept.
ONELOGIT_INLINE VectorF exp(VectorF x) {
  const VectorF clamped = min(broadcast(89.0f), max(broadcast(-105.0f), x));
  // Adding and taking away 1.5·2²³ rounds to the nearest integer.
  const VectorF magic = broadcast(12582912.0f);
  const VectorF shifted = clamped * 1.44269504088896341f + magic;
  const VectorF n = shifted - magic;
  const VectorF r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  VectorF p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
#if defined(__AVX512F__)
  return reinterpret_cast<VectorF>(
      _mm512_maskz_scalef_ps(0xffff, reinterpret_cast<__m512>(p), reinterpret_cast<__m512>(n)));
#else
  // 2^n in two factors: n down to −151 gives subnormals, up to 128 gives infinity, without overflow on the way. If x is
  // NaN, so is p, whatever the factors are.
  const VectorI whole = bits(shifted) - bits(magic);
  const VectorI half = whole >> 1;
  const VectorF scale1 = from_bits((half + 127) << 23);
  const VectorF scale2 = from_bits((whole - half + 127) << 23);
  return p * scale1 * scale2;
#endif
}

// ln x for normal x > 0 to about 1 ulp (Cephes' degree-9 polynomial on [√½, √2]).
ONELOGIT_INLINE VectorF log_positive(VectorF x) {
  const VectorI raw = bits(x);
  VectorI exponent = (raw >> 23) - 126;
  VectorF m = from_bits((raw & 0x007fffff) | 0x3f000000);  // [0.5, 1)
  const VectorI small = m < broadcast(0.707106781186547524f);
  exponent = exponent + small;  // a true mask is −1
  m = select(small, m + m, m) - 1.0f;
  const VectorF e = __builtin_convertvector(exponent, VectorF);
  const VectorF z = m * m;
  VectorF p = broadcast(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  VectorF y = p * m * z;
  y = y + e * -2.12194440e-4f;
  y = y - z * 0.5f;
  return (m + y) + e * 0.693359375f;
}

// ln(1 + u) for u in [0, 1], accurate near 0 (the correction u/(w − 1) undoes the rounding of w = 1 + u).
ONELOGIT_INLINE VectorF log1p_unit(VectorF u) {
  const VectorF w = u + 1.0f;
  const VectorF d = w - 1.0f;
  return select(d == broadcast(0.0f), u, log_positive(w) * (u / d));
}

// ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|); NaN kept.
ONELOGIT_INLINE VectorF softplus(VectorF x) {
  const VectorF value = max(x, broadcast(0.0f)) + log1p_unit(exp(-abs(x)));
  return select(x == x, value, x);
}

// 1/(1 + e^−x) without overflow; NaN kept.
ONELOGIT_INLINE VectorF sigmoid(VectorF x) {
  const VectorF e = exp(-abs(x));
  const VectorF p = broadcast(1.0f) / (e + 1.0f);
  return select(x < broadcast(0.0f), e * p, p);
}

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
