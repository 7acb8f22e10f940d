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

void idle(const IdleStep& steps, float* value, float* velocity, std::int64_t n) {
  const float ww = static_cast<float>(steps.ww), wv = static_cast<float>(steps.wv);
  const float vw = static_cast<float>(steps.vw), vv = static_cast<float>(steps.vv);
  std::int64_t i = 0;
  if (velocity == nullptr) {
    for (; i + lanes <= n; i += lanes) store(value + i, load(value + i) * ww);
    for (; i < n; ++i) value[i] *= ww;
    return;
  }
  for (; i + lanes <= n; i += lanes) {
    const VectorF w = load(value + i), v = load(velocity + i);
    store(value + i, ww * w + wv * v);
    store(velocity + i, vw * w + vv * v);
  }
  for (; i < n; ++i) {
    const float w = value[i], v = velocity[i];
    value[i] = ww * w + wv * v;
    velocity[i] = vw * w + vv * v;
  }
}

}  // namespace

const OptimizerKernels optimizer_kernels_table = {sgd, sgd_momentum, adam, idle};

}  // namespace onelogit::ONELOGIT_SIMD
