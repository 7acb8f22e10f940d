// What the loss kernels share: float64 sums of float32 vectors, and ln(1 + eˣ) with its derivative. Only for
// kernels/*.cc.
#pragma once

#include "backend/cpu/kernels/simd.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace onelogit::ONELOGIT_SIMD {
namespace {

// A float64 sum of float32 vectors: a softmax near convergence is 1 plus terms that a float32 sum would lose.
// Intrinsics, because the compiler moves generic conversions to float64 through memory.
struct DoubleSum {
  typedef double Half __attribute__((vector_size(4 * lanes)));
  Half low{}, high{};

  ONELOGIT_INLINE void add(VectorF v) {
#if defined(__AVX512F__)
    // The forms with a zeroing mask: the plain ones warn of an uninitialised variable inside GCC 12's own header.
    constexpr __mmask8 all = 0xff;
    low += reinterpret_cast<Half>(
        _mm512_maskz_cvtps_pd(all, _mm512_maskz_extractf32x8_ps(all, reinterpret_cast<__m512>(v), 0)));
    high += reinterpret_cast<Half>(
        _mm512_maskz_cvtps_pd(all, _mm512_maskz_extractf32x8_ps(all, reinterpret_cast<__m512>(v), 1)));
#elif defined(__AVX2__)
    low += reinterpret_cast<Half>(_mm256_cvtps_pd(_mm256_castps256_ps128(reinterpret_cast<__m256>(v))));
    high += reinterpret_cast<Half>(_mm256_cvtps_pd(_mm256_extractf128_ps(reinterpret_cast<__m256>(v), 1)));
#elif defined(__x86_64__)
    const __m128 x = reinterpret_cast<__m128>(v);
    low += reinterpret_cast<Half>(_mm_cvtps_pd(x));
    high += reinterpret_cast<Half>(_mm_cvtps_pd(_mm_movehl_ps(x, x)));
#elif defined(__aarch64__)
    const float32x4_t x = reinterpret_cast<float32x4_t>(v);
    low += reinterpret_cast<Half>(vcvt_f64_f32(vget_low_f32(x)));
    high += reinterpret_cast<Half>(vcvt_high_f64_f32(x));
#else
    for (int i = 0; i < lanes / 2; ++i) {
      low[i] += static_cast<double>(v[i]);
      high[i] += static_cast<double>(v[i + lanes / 2]);
    }
#endif
  }

  ONELOGIT_INLINE double total() const {
    double both[lanes / 2];
    __builtin_memcpy(both, &low, sizeof low);
    for (int i = 0; i < lanes / 2; ++i) both[i] += high[i];
    for (int width = lanes / 4; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) both[i] += both[i + width];
    return both[0];
  }
};

// ln(1 + eˣ) = max(x, 0) + excess, in its two parts, and σ(x): one exp, one ln, one division.
struct Logistic {
  VectorF positive;  // max(x, 0); NaN kept
  VectorF excess;    // ln(1 + e^−|x|), in [0, ln 2]; NaN kept
  VectorF sigmoid;   // 1/(1 + e^−x); NaN kept
};

ONELOGIT_INLINE Logistic logistic(VectorF x) {
  const VectorF zero = broadcast(0.0f);
  const VectorF u = exp(-abs(x));
  // 1/(1 + u) and 1/(2 + u) from one division.
  const VectorF w = u + 1.0f, v = u + 2.0f;
  const VectorF inverse = broadcast(1.0f) / (w * v);
  // ln(1 + u) = 2 artanh(s), s = u/(2 + u) in [0, 1/3]: an odd series, so the result keeps its digits down to u = 0.
  // The coefficients are a minimax fit of 2 artanh(s)/s in s² with a relative error of 4e-9.
  const VectorF s = u * (w * inverse), square = s * s;
  VectorF p = broadcast(0.2819154699890f);
  p = p * square + 0.2795766664760f;
  p = p * square + 0.4002511418646f;
  p = p * square + 0.6666631015115f;
  p = p * square + 2.0f;
  const VectorF of_larger = v * inverse;  // σ(|x|)
  return {max(zero, x), s * p, select(x < zero, u * of_larger, of_larger)};
}

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
