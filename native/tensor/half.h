// float16 (IEEE 754 binary16) and bfloat16 as the bits that files hold.
#pragma once

#include <bit>
#include <cstdint>

namespace onelogit {

inline float float_from_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

// Exact for every value: subnormals become normal float32, NaN keeps its payload.
inline float float_from_float16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t rest = bits & 0x7FFF;
  if (rest >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | (rest & 0x3FF) << 13);
  if (rest >= 0x0400) return std::bit_cast<float>(sign | ((rest << 13) + ((127u - 15u) << 23)));
  const float magnitude = static_cast<float>(rest) * 0x1p-24f;  // subnormal: rest · 2⁻²⁴
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

}  // namespace onelogit
