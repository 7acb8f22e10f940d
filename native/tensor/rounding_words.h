// The random words of stochastic rounding to bfloat16: word number n of a row is rounding_word(rounding_row(key, row) +
// n · rounding_stride). One word serves two elements, with its lower and its upper half.
#pragma once

#include <cstdint>

#include "inline.h"
#include "random/keys.h"

namespace onelogit {

inline constexpr std::uint32_t rounding_stride = 0x9E3779B9U;

ONELOGIT_SHARED_INLINE std::uint32_t rounding_row(std::uint64_t key, std::int64_t row) {
  return static_cast<std::uint32_t>(mix_key(key, static_cast<std::uint64_t>(row)));
}

// A 32-bit mixer of two rounds (the "lowbias32" constants of Wellons 2018). U: std::uint32_t, or a vector of them.
template <class U>
ONELOGIT_SHARED_INLINE U rounding_word(U x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  x ^= x >> 16;
  return x;
}

}  // namespace onelogit
