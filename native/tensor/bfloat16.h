// bfloat16: the upper half of a float32. Same range, 8 bits of precision.
#pragma once

#include <cstdint>
#include <cstring>

#include "inline.h"

namespace onelogit {

ONELOGIT_SHARED_INLINE float bfloat16_to_float32(std::uint16_t half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

// To nearest, ties to even; NaN stays NaN.
ONELOGIT_SHARED_INLINE std::uint16_t float32_to_bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline void bfloat16_to_float32(const std::uint16_t* from, std::int64_t count, float* to) {
  for (std::int64_t n = 0; n < count; ++n) to[n] = bfloat16_to_float32(from[n]);
}

}  // namespace onelogit
