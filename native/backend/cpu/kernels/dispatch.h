// One source, several instruction sets, chosen when the library is loaded. Every `kernels/<family>.cc` is compiled once
// per instruction set with ONELOGIT_SIMD naming the namespace (portable, avx2, avx512; NEON is `portable` on aarch64,
// where it is the baseline) and defines one table of function pointers:
//
//   // <family>.h
//   struct EdgeKernels { void (*relu)(…); … };
//   ONELOGIT_DECLARE_KERNELS(EdgeKernels, edge_kernels)     // afterwards: edge_kernels().relu(…)
//   // <family>.cc
//   namespace onelogit::ONELOGIT_SIMD { namespace { void relu(…) {…} }  const EdgeKernels edge_kernels_table = {relu,
//   …}; }
//
// Kernels are single-threaded: callers cut the work with parallel_for. In a kernel .cc, everything is static, in an
// unnamed namespace or from simd.h, and no function template or inline function of a standard header is called: a weak
// symbol compiled for AVX-512 must never be the one that the linker keeps for everybody.
#pragma once

#include <string_view>

namespace onelogit {

enum class SimdLevel { portable, avx2, avx512 };

// The best level that this processor and the operating system support, or a lower one named by
// $ONELOGIT_SIMD (portable | avx2 | avx512). Fixed at first use.
SimdLevel simd_level();
// "avx512", "avx2", "neon" (portable on aarch64) or "portable".
std::string_view simd_name();

}  // namespace onelogit

#if defined(__x86_64__)
#define ONELOGIT_DECLARE_KERNELS(Type, name) \
  namespace portable {                       \
  extern const Type name##_table;            \
  }                                          \
  namespace avx2 {                           \
  extern const Type name##_table;            \
  }                                          \
  namespace avx512 {                         \
  extern const Type name##_table;            \
  }                                          \
  inline const Type& name() {                \
    switch (simd_level()) {                  \
      case SimdLevel::avx512:                \
        return avx512::name##_table;         \
      case SimdLevel::avx2:                  \
        return avx2::name##_table;           \
      default:                               \
        return portable::name##_table;       \
    }                                        \
  }
#else
#define ONELOGIT_DECLARE_KERNELS(Type, name) \
  namespace portable {                       \
  extern const Type name##_table;            \
  }                                          \
  inline const Type& name() { return portable::name##_table; }
#endif
