#include "backend/cpu/kernels/row_dot.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

typedef std::uint32_t VectorU __attribute__((vector_size(4 * lanes)));
typedef std::uint16_t Half __attribute__((vector_size(2 * lanes)));
typedef std::uint16_t HalfUnaligned __attribute__((vector_size(2 * lanes), aligned(2), may_alias));
#if !defined(__AVX2__)
typedef std::int8_t Byte __attribute__((vector_size(lanes)));
typedef std::int8_t ByteUnaligned __attribute__((vector_size(lanes), aligned(1), may_alias));
#endif

struct Float32Row {
  using Element = float;
  ONELOGIT_INLINE static VectorF load_row(const float* p) { return load(p); }
  ONELOGIT_INLINE static float one(float x) { return x; }
};

struct Bfloat16Row {
  using Element = std::uint16_t;
  ONELOGIT_INLINE static VectorF load_row(const std::uint16_t* p) {
    const Half bits = *reinterpret_cast<const HalfUnaligned*>(p);
    return reinterpret_cast<VectorF>(__builtin_convertvector(bits, VectorU) << 16);
  }
  ONELOGIT_INLINE static float one(std::uint16_t x) {
    const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
    float value = 0;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
  }
};

struct Int8Row {
  using Element = std::int8_t;
  ONELOGIT_INLINE static VectorF load_row(const std::int8_t* p) {
    // Compilers take a generic conversion of bytes apart, one by one.
#if defined(__AVX512F__)
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i_u*>(p));
    const __m512i numbers = _mm512_maskz_cvtepi8_epi32(0xffff, bytes);
    return reinterpret_cast<VectorF>(_mm512_maskz_cvtepi32_ps(0xffff, numbers));
#elif defined(__AVX2__)
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i_u*>(p));
    return reinterpret_cast<VectorF>(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
#else
    const Byte bytes = *reinterpret_cast<const ByteUnaligned*>(p);
    return __builtin_convertvector(__builtin_convertvector(bytes, VectorI), VectorF);
#endif
  }
  ONELOGIT_INLINE static float one(std::int8_t x) { return static_cast<float>(x); }
};

// Elements after the last whole vector. Not inlined: a compiler that contracts multiply-adds in one copy and not in
// another would make the result depend on how it was asked for.
template <class Row>
[[gnu::noinline]] float tail(const float* features, const typename Row::Element* row, std::int64_t n) {
  float total = 0.0f;
  for (std::int64_t i = 0; i < n; ++i) total += features[i] * Row::one(row[i]);
  return total;
}

template <class Row, int count>
ONELOGIT_INLINE void dots(const float* features, const void* const* rows, std::int64_t n, float* out) {
  const typename Row::Element* b[count];
  // Four sums a row hide the latency of the multiply-add.
  VectorF s[count][4] = {};
#pragma GCC unroll 4
  for (int r = 0; r < count; ++r) b[r] = static_cast<const typename Row::Element*>(rows[r]);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const VectorF x = load(features + i + q * lanes);
#pragma GCC unroll 4
      for (int r = 0; r < count; ++r) s[r][q] = multiply_add(x, Row::load_row(b[r] + i + q * lanes), s[r][q]);
    }
  }
  for (; i + lanes <= n; i += lanes) {
    const VectorF x = load(features + i);
#pragma GCC unroll 4
    for (int r = 0; r < count; ++r) s[r][0] = multiply_add(x, Row::load_row(b[r] + i), s[r][0]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < count; ++r) {
    out[r] = sum((s[r][0] + s[r][1]) + (s[r][2] + s[r][3]));
    if (i < n) out[r] += tail<Row>(features + i, b[r] + i, n - i);
  }
}

template <class Row>
float dot(const float* features, const void* row, std::int64_t n) {
  float result;
  dots<Row, 1>(features, &row, n, &result);
  return result;
}

// As many at a time as there are registers for their sums.
template <class Row>
void dot_rows(const float* features, const void* const* rows, std::int64_t count, std::int64_t n, float* out) {
  constexpr int together = lanes == 16 ? 4 : 2;
  std::int64_t r = 0;
  for (; r + together <= count; r += together) dots<Row, together>(features, rows + r, n, out + r);
  for (; r < count; ++r) dots<Row, 1>(features, rows + r, n, out + r);
}

}  // namespace

const RowDotKernels row_dot_kernels_table = {dot<Float32Row>,      dot<Bfloat16Row>,      dot<Int8Row>,
                                             dot_rows<Float32Row>, dot_rows<Bfloat16Row>, dot_rows<Int8Row>};

}  // namespace onelogit::ONELOGIT_SIMD
