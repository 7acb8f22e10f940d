#include "backend/cpu/kernels/optimizer.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

void sgd(const SgdStep& step, float scale, const float* gradient, float* value, std::int64_t n) {
  const SgdStep s = step;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    VectorF w = load(value + i);
    sgd_update(s, load(gradient + i) * scale, w);
    store(value + i, w);
  }
  for (; i < n; ++i) sgd_update(s, gradient[i] * scale, value[i]);
}

void sgd_momentum(const SgdStep& step, float scale, const float* gradient, float* value, float* velocity,
                  std::int64_t n) {
  const SgdStep s = step;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    VectorF w = load(value + i), v = load(velocity + i);
    sgd_momentum_update(s, load(gradient + i) * scale, w, v);
    store(velocity + i, v);
    store(value + i, w);
  }
  for (; i < n; ++i) sgd_momentum_update(s, gradient[i] * scale, value[i], velocity[i]);
}

void adam(const AdamStep& step, float scale, const float* gradient, float* value, float* first, float* second,
          std::int64_t n) {
  const AdamStep s = step;
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    VectorF w = load(value + i), m = load(first + i), v = load(second + i);
    adam_update(s, load(gradient + i) * scale, w, m, v, [](VectorF x) { return square_root(x); });
    store(first + i, m);
    store(second + i, v);
    store(value + i, w);
  }
  for (; i < n; ++i)
    adam_update(s, gradient[i] * scale, value[i], first[i], second[i], [](float x) { return __builtin_sqrtf(x); });
}

}  // namespace

const OptimizerKernels optimizer_kernels_table = {sgd, sgd_momentum, adam};

}  // namespace onelogit::ONELOGIT_SIMD
