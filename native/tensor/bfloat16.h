// bfloat16: the upper half of a float32. Same range, 8 bits of precision.
#pragma once

#include <bit>
#include <cstdint>

namespace onelogit {

inline float bfloat16_to_float32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// To nearest, ties to even; NaN stays NaN.
inline std::uint16_t float32_to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline void bfloat16_to_float32(const std::uint16_t* from, std::int64_t count, float* to) {
  for (std::int64_t n = 0; n < count; ++n) to[n] = bfloat16_to_float32(from[n]);
}

}  // namespace onelogit
