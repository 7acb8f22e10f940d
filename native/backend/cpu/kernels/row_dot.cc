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

template <class Row>
ONELOGIT_INLINE float dot(const float* features, const void* row, std::int64_t n) {
  const auto* b = static_cast<const typename Row::Element*>(row);
  // Four sums hide the latency of the multiply-add.
  VectorF s0 = {}, s1 = {}, s2 = {}, s3 = {};
  std::int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 += load(features + i) * Row::load_row(b + i);
    s1 += load(features + i + lanes) * Row::load_row(b + i + lanes);
    s2 += load(features + i + 2 * lanes) * Row::load_row(b + i + 2 * lanes);
    s3 += load(features + i + 3 * lanes) * Row::load_row(b + i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) s0 += load(features + i) * Row::load_row(b + i);
  float tail = 0.0f;
  for (; i < n; ++i) tail += features[i] * Row::one(b[i]);
  return sum((s0 + s1) + (s2 + s3)) + tail;
}

float dot_float32(const float* features, const void* row, std::int64_t n) { return dot<Float32Row>(features, row, n); }
float dot_bfloat16(const float* features, const void* row, std::int64_t n) {
  return dot<Bfloat16Row>(features, row, n);
}
float dot_int8(const float* features, const void* row, std::int64_t n) { return dot<Int8Row>(features, row, n); }

}  // namespace

const RowDotKernels row_dot_kernels_table = {dot_float32, dot_bfloat16, dot_int8};

}  // namespace onelogit::ONELOGIT_SIMD
