// cross-entropy: −ln softmax(z)_y (Keren et al., Eq. 1). Not aligned with the Principle of Logit Separation: it sees
// only differences of logits within one example.
//
//   value     mean_i (lse_i − z_iy),  lse_i = ln Σ_j exp z_ij
//   gradient  ∂/∂z_ij = (p_ij − [j = y_i]) / m,  p_ij = exp(z_ij − M_i)/S_i
//
// d lse/d z_j = p_j gives the gradient at once. Two passes over a row: (M_i, S_i) first, then p. Edge cases: k = 1
// gives value 0 and gradient 0; a NaN or +∞ logit, or a row of −∞ alone, gives NaN; a false −∞ logit has gradient 0;
// z_y = −∞ gives +∞.
#pragma once

#include "loss/softmax_state.h"

namespace onelogit {

// The loss of one example. M − z_y is taken in float64 and first: it is exact, and 0 when y has the largest logit.
ONELOGIT_SHARED_INLINE double cross_entropy_value(SoftmaxState state, float true_logit) {
  return (static_cast<double>(state.maximum) - static_cast<double>(true_logit)) + std::log(state.sum);
}

// What exp(z_j − M) is multiplied by in the gradient; `scale` is 1/m, or 1 for a sum.
ONELOGIT_SHARED_INLINE double cross_entropy_factor(SoftmaxState state, double scale) { return scale / state.sum; }

// The gradient at the label, (p_y − 1)·scale. In float64: S − exp(z_y − M) keeps what float32 would lose once p_y is
// near 1.
ONELOGIT_SHARED_INLINE double cross_entropy_label_gradient(SoftmaxState state, float true_logit, double scale) {
  return (probability(true_logit, state) - 1.0) * scale;
}

}  // namespace onelogit
