// In which precision a GPU multiplies matrices. Operands and results are stored as float32, and sums are float32,
// whatever the precision.
#pragma once

#include <optional>
#include <string_view>

namespace onelogit {

enum class Precision {
  float32,
  tf32,     // operands rounded to 10 bits of mantissa by the tensor cores
  bfloat16  // operands rounded to bfloat16, to nearest even
};

// The name of the option: "float32", "tf32", "bfloat16".
std::string_view precision_name(Precision precision);
std::optional<Precision> precision_of_name(std::string_view name);

}  // namespace onelogit
