#include "backend/cpu/kernels/examples.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

typedef std::uint8_t VectorU8 __attribute__((vector_size(lanes)));
typedef std::uint8_t VectorU8Unaligned __attribute__((vector_size(lanes), aligned(1), may_alias));
typedef std::int32_t VectorIUnaligned __attribute__((vector_size(4 * lanes), aligned(4), may_alias));

ONELOGIT_INLINE VectorF load_as_float(const std::uint8_t* p) {
  const VectorU8 bytes = *reinterpret_cast<const VectorU8Unaligned*>(p);
  return __builtin_convertvector(__builtin_convertvector(bytes, VectorI), VectorF);
}
ONELOGIT_INLINE VectorF load_as_float(const float* p) { return load(p); }
ONELOGIT_INLINE VectorF load_as_float(const std::int32_t* p) {
  const VectorI whole = *reinterpret_cast<const VectorIUnaligned*>(p);
  return __builtin_convertvector(whole, VectorF);
}

template <class T>
void convert(const T* x, float* out, std::int64_t n, float scale, const float* mean, const float* inverse) {
  std::int64_t i = 0;
  if (mean == nullptr) {
    for (; i + lanes <= n; i += lanes) store(out + i, load_as_float(x + i) * scale);
    for (; i < n; ++i) out[i] = static_cast<float>(x[i]) * scale;
  } else {
    for (; i + lanes <= n; i += lanes)
      store(out + i, (load_as_float(x + i) * scale - load(mean + i)) * load(inverse + i));
    for (; i < n; ++i) out[i] = (static_cast<float>(x[i]) * scale - mean[i]) * inverse[i];
  }
}

}  // namespace

const ExampleKernels example_kernels_table = {convert<std::uint8_t>, convert<float>, convert<std::int32_t>};

}  // namespace onelogit::ONELOGIT_SIMD
