// Elementwise kernels over contiguous float32; outputs may be the inputs' own memory.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct ElementwiseKernels {
  void (*relu)(const float* x, float* y, std::int64_t n);                             // NaN stays NaN
  void (*relu_backward)(const float* y, const float* dy, float* dx, std::int64_t n);  // y > 0 ? dy : 0
  // y_i = word_i ≥ threshold ? x_i · scale : 0 for i in [begin, end); word_i is word i mod 4 of Philox(seed; i/4,
  // step).
  void (*dropout)(const float* x, float* y, std::int64_t begin, std::int64_t end, std::uint32_t threshold, float scale,
                  std::uint64_t seed, std::uint64_t step);
  // Each of `rows` rows of y, `stride` apart, becomes x (n).
  void (*fill_rows)(const float* x, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride);
  // y = beta · y, rows × n, `stride` apart; zero without reading y when beta is 0.
  void (*scale_rows)(float beta, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride);
  // y = a + b
  void (*add)(const float* a, const float* b, float* y, std::int64_t n);
};
ONELOGIT_DECLARE_KERNELS(ElementwiseKernels, elementwise_kernels)

}  // namespace onelogit
