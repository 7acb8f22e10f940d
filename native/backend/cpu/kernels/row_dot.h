// Dot products of float32 features with a row of a class matrix, whatever it is stored as; summed in float32, in the
// same order for every storage.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct RowDotKernels {
  using Dot = float (*)(const float* features, const void* row, std::int64_t n);
  Dot float32;
  Dot bfloat16;  // uint16_t bits
  Dot int8;      // int8_t; not multiplied by the class's scale
};
ONELOGIT_DECLARE_KERNELS(RowDotKernels, row_dot_kernels)

}  // namespace onelogit
