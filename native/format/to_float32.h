// The floating-point types of the safetensors format as float32.
#pragma once

#include <cstdint>
#include <string_view>

namespace onelogit {

// Whether to_float32 knows a type: F32, F16, BF16, F64.
bool is_float_dtype(std::string_view dtype);
// `count` elements at `bytes`, at any alignment, of such a type.
void to_float32(std::string_view dtype, const void* bytes, std::int64_t count, float* out);

}  // namespace onelogit
