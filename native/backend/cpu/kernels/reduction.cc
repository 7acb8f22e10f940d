#include "backend/cpu/kernels/reduction.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// Rows or vectors that are summed in float32 before they go into a float64: bounds the error whatever the length.
constexpr std::int64_t float_run = 64;

double sum_of_squares(const float* x, std::int64_t n) {
  double total = 0;
  std::int64_t i = 0;
  // Squares of float32 are exact in float64 and cannot overflow there.
  VectorD sums = {};
  for (; i + lanes <= n; i += lanes) {
    const VectorD v = __builtin_convertvector(load(x + i), VectorD);
    sums += v * v;
  }
  for (int lane = 0; lane < lanes; ++lane) total += sums[lane];
  for (; i < n; ++i) total += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return total;
}

void column_sums(const float* x, std::int64_t stride, float* out, std::int64_t m, std::int64_t n) {
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    VectorD total = {};
    for (std::int64_t i = 0; i < m;) {
      const std::int64_t end = i + float_run < m ? i + float_run : m;
      VectorF part = {};
      for (; i < end; ++i) part += load(x + i * stride + j);
      total += __builtin_convertvector(part, VectorD);
    }
    store(out + j, __builtin_convertvector(total, VectorF));
  }
  for (; j < n; ++j) {
    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) total += static_cast<double>(x[i * stride + j]);
    out[j] = static_cast<float>(total);
  }
}

bool largest_is(const float* row, std::int64_t k, std::int64_t label) {
  const float z = row[label];
  if (!(z == z)) return false;
  // Every earlier one must be smaller, every later one must not be larger. A comparison with NaN is false.
  const VectorF zs = broadcast(z);
  std::int64_t j = 0;
  VectorI good = ~VectorI{};
  for (; j + lanes <= label; j += lanes) good &= load(row + j) < zs;
  bool scalar = true;
  for (; j < label; ++j) scalar &= row[j] < z;
  j = label + 1;
  for (; j + lanes <= k; j += lanes) good &= load(row + j) <= zs;
  for (; j < k; ++j) scalar &= row[j] <= z;
  for (int lane = 0; lane < lanes; ++lane) scalar &= good[lane] != 0;
  return scalar;
}

}  // namespace

const ReductionKernels reduction_kernels_table = {sum_of_squares, column_sums, largest_is};

}  // namespace onelogit::ONELOGIT_SIMD
