// The kernel tables of every instruction set that this processor has, so that one run of the tests checks them all.
#pragma once

#include <type_traits>
#include <vector>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit::test {

template <class Table>
struct SimdTable {
  const char* name;
  const Table& kernels;
};

#if defined(__x86_64__)
inline bool has_avx2() { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }
inline bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
}
#define ONELOGIT_SIMD_TABLES(name)                                                                        \
  [] {                                                                                                    \
    std::vector<onelogit::test::SimdTable<std::remove_cvref_t<decltype(portable::name##_table)>>> tables{ \
        {"portable", portable::name##_table}};                                                            \
    if (onelogit::test::has_avx2()) tables.push_back({"avx2", avx2::name##_table});                       \
    if (onelogit::test::has_avx512()) tables.push_back({"avx512", avx512::name##_table});                 \
    return tables;                                                                                        \
  }()
#else
#define ONELOGIT_SIMD_TABLES(name)                                                                \
  std::vector<onelogit::test::SimdTable<std::remove_cvref_t<decltype(portable::name##_table)>>> { \
    { "portable", portable::name##_table }                                                        \
  }
#endif

}  // namespace onelogit::test
