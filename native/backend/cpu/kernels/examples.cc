#include "backend/cpu/kernels/examples.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

typedef std::int32_t VectorIUnaligned __attribute__((vector_size(4 * lanes), aligned(4), may_alias));

#if defined(__AVX512F__)
constexpr bool vector_bytes = true;
ONELOGIT_INLINE VectorF load_as_float(const std::uint8_t* p) {
  const __m512i whole = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return reinterpret_cast<VectorF>(_mm512_cvtepi32_ps(whole));
}
#elif defined(__AVX2__)
constexpr bool vector_bytes = true;
ONELOGIT_INLINE VectorF load_as_float(const std::uint8_t* p) {
  const __m256i whole = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return reinterpret_cast<VectorF>(_mm256_cvtepi32_ps(whole));
}
#else
// The compiler vectorises the plain loop; the vector extension's conversion of a few bytes goes through scalars.
constexpr bool vector_bytes = false;
ONELOGIT_INLINE VectorF load_as_float(const std::uint8_t*) { return VectorF{}; }
#endif
ONELOGIT_INLINE VectorF load_as_float(const float* p) { return load(p); }
ONELOGIT_INLINE VectorF load_as_float(const std::int32_t* p) {
  const VectorI whole = *reinterpret_cast<const VectorIUnaligned*>(p);
  return __builtin_convertvector(whole, VectorF);
}

template <class T>
void convert(const T* x, float* out, std::int64_t n, float scale, const float* mean, const float* inverse) {
  const std::int64_t whole = sizeof(T) > 1 || vector_bytes ? n / lanes * lanes : 0;
  std::int64_t i = 0;
  if (mean == nullptr) {
    for (; i < whole; i += lanes) store(out + i, load_as_float(x + i) * scale);
    for (; i < n; ++i) out[i] = static_cast<float>(x[i]) * scale;
  } else {
    for (; i < whole; i += lanes) store(out + i, (load_as_float(x + i) * scale - load(mean + i)) * load(inverse + i));
    for (; i < n; ++i) out[i] = (static_cast<float>(x[i]) * scale - mean[i]) * inverse[i];
  }
}

}  // namespace

const ExampleKernels example_kernels_table = {convert<std::uint8_t>, convert<float>, convert<std::int32_t>};

}  // namespace onelogit::ONELOGIT_SIMD
