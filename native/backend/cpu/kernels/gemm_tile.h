// The tile of C that the inner kernel of a matrix product keeps in registers, and how blocks are cut into such tiles.
// Only for kernels/*.cc (see dispatch.h).
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// tile_rows × tile_vectors accumulators, and the vectors of B and one of A beside them, fill the registers.
#if defined(__AVX512F__)
inline constexpr int tile_rows = 14, tile_vectors = 2;  // 28 of 32
#elif defined(__AVX2__)
inline constexpr int tile_rows = 6, tile_vectors = 2;  // 12 of 16
#elif defined(__aarch64__)
inline constexpr int tile_rows = 8, tile_vectors = 3;  // 24 of 32
#else
inline constexpr int tile_rows = 4, tile_vectors = 2;  // 8 of 16
#endif
inline constexpr std::int64_t tile_columns = tile_vectors * lanes;

ONELOGIT_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
ONELOGIT_INLINE std::int64_t round_up(std::int64_t a, std::int64_t granule) {
  return (a + granule - 1) / granule * granule;
}

}  // namespace
}  // namespace onelogit::ONELOGIT_SIMD
