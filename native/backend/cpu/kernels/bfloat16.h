// Rows of bfloat16: to float32, and back by stochastic rounding.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct Bfloat16Kernels {
  void (*to_float32)(const std::uint16_t* from, std::int64_t n, float* to);
  // Up with the probability that makes the expectation exact, so that updates smaller than half a unit in the last
  // place are not lost. The random bits are a function of (key, row, column) and of how
  // many lanes a vector has. `from` is rows×columns, the first
  // of them row `first_row` of the matrix. NaN stays NaN, infinity stays infinity.
  void (*round_stochastic)(const float* from, std::int64_t rows, std::int64_t columns, std::uint64_t key,
                           std::int64_t first_row, std::uint16_t* to);
};
ONELOGIT_DECLARE_KERNELS(Bfloat16Kernels, bfloat16_kernels)

}  // namespace onelogit
