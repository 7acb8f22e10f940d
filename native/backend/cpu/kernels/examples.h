// Conversion of raw examples to float32 with the model's preprocessing: x → (x · scale − mean_i) · inverse_i.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

// `mean` and `inverse` (of the standard deviation) have n elements, or both are null.
template <class T>
using ConvertExamples = void (*)(const T* x, float* out, std::int64_t n, float scale, const float* mean,
                                 const float* inverse);

struct ExampleKernels {
  ConvertExamples<std::uint8_t> from_uint8;
  ConvertExamples<float> from_float32;
  ConvertExamples<std::int32_t> from_int32;
};
ONELOGIT_DECLARE_KERNELS(ExampleKernels, example_kernels)

}  // namespace onelogit
