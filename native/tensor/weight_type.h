// How the numbers of a parameter matrix are stored.
#pragma once

#include <cstddef>

namespace onelogit {

enum class WeightType { float32, bfloat16 };

inline std::size_t weight_bytes(WeightType type) { return type == WeightType::float32 ? 4 : 2; }

}  // namespace onelogit
