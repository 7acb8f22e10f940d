#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/kernels/simd.h"
#include "random/philox.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

void relu(const float* x, float* y, std::int64_t n) {
  const VectorF zero = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const VectorF v = load(x + i);
    store(y + i, select(v < zero, zero, v));  // a comparison with NaN is false: NaN is kept
  }
  for (; i < n; ++i) y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

void relu_backward(const float* y, const float* dy, float* dx, std::int64_t n) {
  const VectorF zero = {};
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(dx + i, select(load(y + i) > zero, load(dy + i), zero));
  for (; i < n; ++i) dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}

void dropout(const float* x, float* y, std::int64_t begin, std::int64_t end, std::uint32_t threshold, float scale,
             std::uint64_t seed, std::uint64_t step) {
  for (std::int64_t group = begin / 4; group * 4 < end; ++group) {
    const PhiloxWords random = philox4x32(seed, static_cast<std::uint64_t>(group), step);
    for (int j = 0; j < 4; ++j) {
      const std::int64_t i = group * 4 + j;
      if (i >= begin && i < end) y[i] = random.word[j] >= threshold ? x[i] * scale : 0.0f;
    }
  }
}

void fill_rows(const float* x, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row, y += stride) {
    std::int64_t i = 0;
    for (; i + lanes <= n; i += lanes) store(y + i, load(x + i));
    for (; i < n; ++i) y[i] = x[i];
  }
}

void scale_rows(float beta, float* y, std::int64_t rows, std::int64_t n, std::int64_t stride) {
  if (beta == 1.0f) return;
  for (std::int64_t row = 0; row < rows; ++row, y += stride) {
    if (beta == 0.0f) {
      for (std::int64_t i = 0; i < n; ++i) y[i] = 0.0f;
    } else {
      for (std::int64_t i = 0; i < n; ++i) y[i] *= beta;
    }
  }
}

void add(const float* x, float* y, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(y + i, load(y + i) + load(x + i));
  for (; i < n; ++i) y[i] += x[i];
}

}  // namespace

const ElementwiseKernels elementwise_kernels_table = {relu, relu_backward, dropout, fill_rows, scale_rows, add};

}  // namespace onelogit::ONELOGIT_SIMD
