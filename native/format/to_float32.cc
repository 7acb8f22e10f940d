#include "format/to_float32.h"

#include <cstddef>
#include <cstring>

#include "tensor/half.h"

namespace onelogit {
namespace {

template <class Stored, class Convert>
void convert(const void* bytes, std::int64_t count, float* out, const Convert& to_float) {
  const auto* const from = static_cast<const std::byte*>(bytes);
  for (std::int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + static_cast<std::size_t>(i) * sizeof(Stored), sizeof(Stored));
    out[i] = to_float(stored);
  }
}

}  // namespace

bool is_float_dtype(std::string_view dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

void to_float32(std::string_view dtype, const void* bytes, std::int64_t count, float* out) {
  if (dtype == "F16")
    convert<std::uint16_t>(bytes, count, out, float_from_float16);
  else if (dtype == "BF16")
    convert<std::uint16_t>(bytes, count, out, float_from_bfloat16);
  else if (dtype == "F64")
    convert<double>(bytes, count, out, [](double value) { return static_cast<float>(value); });
  else if (count > 0)
    std::memcpy(out, bytes, static_cast<std::size_t>(count) * sizeof(float));
}

}  // namespace onelogit
