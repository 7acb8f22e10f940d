// The element types of the safetensors format.
#pragma once

#include <string_view>

namespace onelogit {

// Bits per element ("F32": 32, "F4": 4), or 0 for a name that the format does not know.
constexpr int dtype_bits(std::string_view dtype) {
  struct Known {
    std::string_view name;
    int bits;
  };
  constexpr Known known[] = {
      {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F64", 64},    {"I8", 8},   {"U8", 8},   {"BOOL", 8},
      {"I16", 16},    {"U16", 16},    {"I32", 32},    {"U32", 32},    {"I64", 64}, {"U64", 64}, {"F8_E4M3", 8},
      {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},   {"C64", 64},
  };
  for (const Known& type : known)
    if (type.name == dtype) return type.bits;
  return 0;
}

}  // namespace onelogit
