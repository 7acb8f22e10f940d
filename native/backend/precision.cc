#include "backend/precision.h"

namespace onelogit {

std::string_view precision_name(Precision precision) {
  switch (precision) {
    case Precision::tf32:
      return "tf32";
    case Precision::bfloat16:
      return "bfloat16";
    case Precision::float32:
      break;
  }
  return "float32";
}

std::optional<Precision> precision_of_name(std::string_view name) {
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bfloat16})
    if (name == precision_name(precision)) return precision;
  return std::nullopt;
}

}  // namespace onelogit
