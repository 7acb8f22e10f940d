// Stochastic gradient descent with momentum (Polyak 1964), Nesterov's variant (Sutskever et al. 2013) and L2 weight
// decay, in the form of torch.optim.SGD with dampening 0:
//
//   g ← g + weight_decay · w;   v ← momentum · v + g;   w ← w − learning_rate · (nesterov ? g + momentum · v : v)
//
// v starts at zero. Without momentum v is g and nothing is kept.
#pragma once

#include <cstdint>

#include "inline.h"
#include "optimizer/optimizer.h"

namespace onelogit {

struct SgdStep {
  float learning_rate, momentum, weight_decay;
  bool nesterov;
};

ONELOGIT_SHARED_INLINE SgdStep make_sgd_step(const OptimizerSpec& spec, float learning_rate) {
  return {learning_rate, static_cast<float>(spec.momentum), static_cast<float>(spec.weight_decay), spec.nesterov};
}

// One update of T (a float, or a vector of them).
template <class T>
ONELOGIT_SHARED_INLINE void sgd_update(const SgdStep& step, T gradient, T& value) {
  value -= step.learning_rate * (gradient + step.weight_decay * value);
}
template <class T>
ONELOGIT_SHARED_INLINE void sgd_momentum_update(const SgdStep& step, T gradient, T& value, T& velocity) {
  const T g = gradient + step.weight_decay * value;
  velocity = step.momentum * velocity + g;
  value -= step.learning_rate * (step.nesterov ? g + step.momentum * velocity : velocity);
}

}  // namespace onelogit
