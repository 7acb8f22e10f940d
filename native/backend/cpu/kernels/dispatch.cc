#include "backend/cpu/kernels/dispatch.h"

#include <cstdlib>

namespace onelogit {
namespace {

SimdLevel supported_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // GCC's and clang's checks include the operating system's support for the registers (XGETBV).
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return SimdLevel::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SimdLevel::avx2;
#endif
  return SimdLevel::portable;
}

SimdLevel chosen_level() {
  const SimdLevel best = supported_level();
  if (const char* text = std::getenv("ONELOGIT_SIMD")) {
    const std::string_view wanted(text);
    const SimdLevel level = wanted == "portable" ? SimdLevel::portable : wanted == "avx2" ? SimdLevel::avx2 : best;
    return level < best ? level : best;
  }
  return best;
}

}  // namespace

SimdLevel simd_level() {
  static const SimdLevel level = chosen_level();
  return level;
}

std::string_view simd_name() {
  switch (simd_level()) {
    case SimdLevel::avx512:
      return "avx512";
    case SimdLevel::avx2:
      return "avx2";
    default:
#if defined(__aarch64__)
      return "neon";
#else
      return "portable";
#endif
  }
}

}  // namespace onelogit
