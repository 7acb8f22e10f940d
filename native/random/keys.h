// Philox keys for one purpose out of many, and random words as numbers.
#pragma once

#include <cstdint>

#include "inline.h"

namespace onelogit {

// The finaliser of splitmix64 (Steele, Lea, Flood 2014) over the seed and the purpose's number.
ONELOGIT_SHARED_INLINE constexpr std::uint64_t mix_key(std::uint64_t seed, std::uint64_t purpose) {
  std::uint64_t z = seed + (purpose + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Host code only, from here on: kernels/*.cc may not call inline functions of shared headers that are not always
// inlined (dispatch.h).
constexpr std::uint64_t join_words(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

// 53 random bits as a double in (0, 1): never 0, so that its logarithm is finite.
constexpr double unit_interval(std::uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

}  // namespace onelogit
