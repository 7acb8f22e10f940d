#include "backend/cpu/kernels/bfloat16.h"

#include "backend/cpu/kernels/simd.h"
#include "tensor/rounding_words.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

typedef std::uint32_t VectorU __attribute__((vector_size(4 * lanes)));
typedef std::uint16_t Half __attribute__((vector_size(2 * lanes)));
typedef std::uint16_t HalfUnaligned __attribute__((vector_size(2 * lanes), aligned(2), may_alias));

void to_float32(const std::uint16_t* from, std::int64_t n, float* to) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Half half = *reinterpret_cast<const HalfUnaligned*>(from + i);
    store(to + i, reinterpret_cast<VectorF>(__builtin_convertvector(half, VectorU) << 16));
  }
  for (; i < n; ++i) {
    const std::uint32_t bits = static_cast<std::uint32_t>(from[i]) << 16;
    __builtin_memcpy(to + i, &bits, sizeof bits);
  }
}

// Adding a random number below one unit of what is kept, then cutting, rounds up with the right probability. The
// sixteen bits that are cut off are the ones that the random number can carry out of.
ONELOGIT_INLINE void round(VectorF value, VectorU random, std::uint16_t* to) {
  const VectorU bits = reinterpret_cast<VectorU>(value);
  const VectorU rounded = (bits + (random & 0xffffU)) >> 16;
  const VectorU quiet = bits >> 16 | 0x40U;
  const Half result = __builtin_convertvector(value == value ? rounded : quiet, Half);
  *reinterpret_cast<HalfUnaligned*>(to) = result;
}

void round_stochastic(const float* from, std::int64_t rows, std::int64_t columns, std::uint64_t key,
                      std::int64_t first_row, std::uint16_t* to) {
  VectorU column{};
  for (int lane = 0; lane < lanes; ++lane) column[lane] = static_cast<std::uint32_t>(lane) * rounding_stride;
  constexpr std::uint32_t next = static_cast<std::uint32_t>(lanes) * rounding_stride;
  for (std::int64_t r = 0; r < rows; ++r, from += columns, to += columns) {
    VectorU counter = column + rounding_row(key, first_row + r);
    std::int64_t i = 0;
    // One word serves two elements: its lower half this vector's, its upper half the next one's.
    for (; i + 2 * lanes <= columns; i += 2 * lanes, counter += next) {
      const VectorU random = rounding_word(counter);
      round(load(from + i), random, to + i);
      round(load(from + i + lanes), random >> 16, to + i + lanes);
    }
    if (i == columns) continue;
    // The rest through a vector of zeros.
    const VectorU random = rounding_word(counter);
    for (int half = 0; half < 2 && i < columns; ++half, i += lanes) {
      const std::int64_t count = columns - i < lanes ? columns - i : lanes;
      float padded[lanes] = {};
      std::uint16_t result[lanes];
      __builtin_memcpy(padded, from + i, static_cast<std::size_t>(count) * sizeof(float));
      round(load(padded), half == 0 ? random : random >> 16, result);
      __builtin_memcpy(to + i, result, static_cast<std::size_t>(count) * sizeof(std::uint16_t));
    }
  }
}

}  // namespace

const Bfloat16Kernels bfloat16_kernels_table = {to_float32, round_stochastic};

}  // namespace onelogit::ONELOGIT_SIMD
