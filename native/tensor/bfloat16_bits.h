// bfloat16 on host and device: the upper half of a float32.
#pragma once

#include <cstdint>
#include <cstring>

#include "inline.h"

namespace onelogit {

ONELOGIT_SHARED_INLINE float bfloat16_bits_to_float32(std::uint16_t bits) {
  const std::uint32_t word = static_cast<std::uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}

}  // namespace onelogit
