// Dot products of float32 features with rows of a class matrix, whatever they are stored as; summed in float32, in the
// same order for every storage and for one row as for several.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct RowDotKernels {
  using Dot = float (*)(const float* features, const void* row, std::int64_t n);
  Dot float32;
  Dot bfloat16;  // uint16_t bits
  Dot int8;      // int8_t; not multiplied by the class's scale

  // The same bits for `count` rows, `count` ≤ rows_at_once: features are loaded once for all of them.
  using Dots = void (*)(const float* features, const void* const* rows, std::int64_t count, std::int64_t n, float* out);
  static constexpr std::int64_t rows_at_once = 4;
  Dots float32_rows, bfloat16_rows, int8_rows;
};
ONELOGIT_DECLARE_KERNELS(RowDotKernels, row_dot_kernels)

}  // namespace onelogit
