#include "backend/cpu/kernels/softmax.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

constexpr float minus_infinity = -__builtin_inff();

float row_maximum(const float* x, std::int64_t n) {
  VectorF best = broadcast(minus_infinity);
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) best = max(best, load(x + i));
  if (i < n) best = max(best, load_partial(x + i, n - i, minus_infinity));
  return largest(best);
}

void forward(const float* x, float* y, std::int64_t m, std::int64_t n) {
  for (std::int64_t row = 0; row < m; ++row, x += n, y += n) {
    // A NaN is missed by the maximum or not: its exponential makes the sum, and so the row, NaN.
    const VectorF shift = broadcast(row_maximum(x, n));
    double total = 0;
    std::int64_t i = 0;
    while (i + lanes <= n) {
      VectorF part = {};
      for (int run = 0; run < 64 && i + lanes <= n; ++run, i += lanes) {
        const VectorF e = exp(load(x + i) - shift);
        store(y + i, e);
        part += e;
      }
      total += sum_double(part);
    }
    if (i < n) {
      const VectorF e = exp(load_partial(x + i, n - i, minus_infinity) - shift);
      store_partial(y + i, e, n - i);
      for (std::int64_t j = 0; j < n - i; ++j) total += static_cast<double>(e[j]);
    }
    const float scale = static_cast<float>(1.0 / total);
    for (i = 0; i + lanes <= n; i += lanes) store(y + i, load(y + i) * scale);
    for (; i < n; ++i) y[i] *= scale;
  }
}

void backward(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) {
  for (std::int64_t row = 0; row < m; ++row, y += n, dy += n, dx += n) {
    double total = 0;
    std::int64_t i = 0;
    while (i + lanes <= n) {
      VectorF part = {};
      for (int run = 0; run < 64 && i + lanes <= n; ++run, i += lanes) part += load(y + i) * load(dy + i);
      total += sum_double(part);
    }
    for (; i < n; ++i) total += static_cast<double>(y[i]) * static_cast<double>(dy[i]);
    const float mean = static_cast<float>(total);
    for (i = 0; i + lanes <= n; i += lanes) store(dx + i, load(y + i) * (load(dy + i) - mean));
    for (; i < n; ++i) dx[i] = y[i] * (dy[i] - mean);
  }
}

}  // namespace

const SoftmaxKernels softmax_kernels_table = {forward, backward};

}  // namespace onelogit::ONELOGIT_SIMD
