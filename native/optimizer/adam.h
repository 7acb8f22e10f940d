// Adam (Kingma and Ba 2015) with L2 weight decay, in the form of torch.optim.Adam, with u the moments' bias
// corrections:
//
//   g ← g + weight_decay · w;   m ← m + (1 − β₁)(g − m);   v ← β₂ v + (1 − β₂) g²
//   w ← w − learning_rate/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
#pragma once

#include <cmath>
#include <cstdint>

#include "inline.h"
#include "optimizer/optimizer.h"

namespace onelogit {

struct AdamStep {
  float weight_decay;  // added to the gradient
  float keep;          // adamw: w is first multiplied by this; adam: 1
  float one_minus_beta1, beta2, one_minus_beta2;
  float size;                     // learning_rate / (1 − β₁ᵗ)
  float inverse_root_correction;  // 1/√(1 − β₂ᵗ)
  float epsilon;
};

// `step` counts from 1. Constants in float64, rounded once.
ONELOGIT_SHARED_INLINE AdamStep make_adam_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step) {
  const double t = static_cast<double>(step);
  const double correction1 = 1.0 - std::pow(spec.beta1, t), correction2 = 1.0 - std::pow(spec.beta2, t);
  return {static_cast<float>(spec.weight_decay),
          1.0f,
          static_cast<float>(1.0 - spec.beta1),
          static_cast<float>(spec.beta2),
          static_cast<float>(1.0 - spec.beta2),
          static_cast<float>(learning_rate / correction1),
          static_cast<float>(1.0 / std::sqrt(correction2)),
          static_cast<float>(spec.epsilon)};
}

// One update of T (a float, or a vector of them); `root` is its square root.
template <class T, class Root>
ONELOGIT_SHARED_INLINE void adam_update(const AdamStep& step, T gradient, T& value, T& first, T& second, Root&& root) {
  value *= step.keep;
  const T g = gradient + step.weight_decay * value;
  first += step.one_minus_beta1 * (g - first);
  second = step.beta2 * second + step.one_minus_beta2 * g * g;
  value -= step.size * first / (root(second) * step.inverse_root_correction + step.epsilon);
}

}  // namespace onelogit
