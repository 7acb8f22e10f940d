#include "backend/cpu/kernels/loss_logistic.h"

#include "backend/cpu/kernels/loss_vector.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

SoftplusSum unweighted(const float* z, std::int64_t n, float scale, float* g) {
  DoubleSum positive, excess;
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Logistic x = logistic(load(z + j));
    positive.add(x.positive);
    excess.add(x.excess);
    if (g != nullptr) store(g + j, x.sigmoid * scale);
  }
  if (j < n) {
    // softplus(−∞) = 0: the lanes past the end add nothing.
    const Logistic x = logistic(load_partial(z + j, n - j, -__builtin_inff()));
    positive.add(x.positive);
    excess.add(x.excess);
    if (g != nullptr) store_partial(g + j, x.sigmoid * scale, n - j);
  }
  return {positive.total(), excess.total()};
}

double weighted(const float* z, const float* weight, const float* log_weight, std::int64_t n, float scale, float* g) {
  DoubleSum total;
  std::int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    const Logistic x = logistic(load(z + j) - load(log_weight + j));
    const VectorF w = load(weight + j);
    total.add(w * (x.positive + x.excess));
    if (g != nullptr) store(g + j, x.sigmoid * (w * scale));
  }
  if (j < n) {
    const std::int64_t rest = n - j;
    const Logistic x = logistic(load_partial(z + j, rest, 0.0f) - load_partial(log_weight + j, rest, 0.0f));
    const VectorF w = load_partial(weight + j, rest, 0.0f);
    total.add(w * (x.positive + x.excess));
    if (g != nullptr) store_partial(g + j, x.sigmoid * (w * scale), rest);
  }
  return total.total();
}

}  // namespace

const LogisticLossKernels logistic_loss_kernels_table = {unweighted, weighted};

}  // namespace onelogit::ONELOGIT_SIMD
