#include "backend/cpu/kernels/loss_softmax.h"

#include "backend/cpu/kernels/loss_vector.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

const float infinity = __builtin_inff();

float row_maximum(const float* z, std::int64_t n) {
  // Four independent maxima hide the latency of the comparison. NaN is passed over here and found by the sum.
  VectorF best[4];
  for (VectorF& b : best) b = broadcast(-infinity);
  std::int64_t j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes)
    for (int u = 0; u < 4; ++u) best[u] = max(load(z + j + u * lanes), best[u]);
  for (; j + lanes <= n; j += lanes) best[0] = max(load(z + j), best[0]);
  if (j < n) best[0] = max(load_partial(z + j, n - j, -infinity), best[0]);
  return largest(max(max(best[0], best[1]), max(best[2], best[3])));
}

void statistics(const float* z, std::int64_t stride, std::int64_t rows, std::int64_t n, float* maximum, double* sum,
                float* exponentials) {
  for (std::int64_t r = 0; r < rows; ++r, z += stride) {
    const float top = row_maximum(z, n);
    // Where all are −∞, exp(z − 0) = 0 is meant, not exp(−∞ + ∞).
    const VectorF shift = broadcast(top == -infinity ? 0.0f : top);
    DoubleSum total;
    std::int64_t j = 0;
    if (exponentials != nullptr) {
      float* e = exponentials + r * stride;
      for (; j + lanes <= n; j += lanes) {
        const VectorF v = exp(load(z + j) - shift);
        store(e + j, v);
        total.add(v);
      }
      if (j < n) {
        const VectorF v = exp(load_partial(z + j, n - j, -infinity) - shift);
        store_partial(e + j, v, n - j);
        total.add(v);
      }
    } else {
      for (; j + lanes <= n; j += lanes) total.add(exp(load(z + j) - shift));
      if (j < n) total.add(exp(load_partial(z + j, n - j, -infinity) - shift));
    }
    maximum[r] = top;
    sum[r] = total.total();
  }
}

void exponential(const float* z, std::int64_t n, float maximum, float factor, float* g) {
  const VectorF shift = broadcast(maximum == -infinity ? 0.0f : maximum);
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) store(g + j, exp(load(z + j) - shift) * factor);
  if (j < n) store_partial(g + j, exp(load_partial(z + j, n - j, 0.0f) - shift) * factor, n - j);
}

void scale(float* g, std::int64_t n, float factor) {
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) store(g + j, load(g + j) * factor);
  for (; j < n; ++j) g[j] *= factor;
}

}  // namespace

const SoftmaxLossKernels softmax_loss_kernels_table = {statistics, exponential, scale};

}  // namespace onelogit::ONELOGIT_SIMD
