// self-normalization: cross-entropy plus α (ln Σ exp z)² (Devlin et al. 2014; Keren et al., Sect. IV-A). The second
// term pulls the normaliser to 1, which makes one logit comparable between examples: aligned with the Principle of
// Logit Separation.
//
//   value     mean_i (lse_i − z_iy + α lse_i²)
//   gradient  ∂/∂z_ij = ((1 + 2α lse_i) p_ij − [j = y_i]) / m
//
// α > 0 is an option (default 0.1: the paper does not state its own). Edge cases as for cross-entropy; with k = 1 the
// value is α z².
#pragma once

#include "loss/cross_entropy.h"

namespace onelogit {

ONELOGIT_SHARED_INLINE double self_normalization_value(SoftmaxState state, float true_logit, double alpha) {
  const double log_sum = state.log_sum();
  return cross_entropy_value(state, true_logit) + alpha * log_sum * log_sum;
}

ONELOGIT_SHARED_INLINE double self_normalization_factor(SoftmaxState state, double alpha, double scale) {
  return (1.0 + 2.0 * alpha * state.log_sum()) * scale / state.sum;
}

ONELOGIT_SHARED_INLINE double self_normalization_label_gradient(SoftmaxState state, float true_logit, double alpha,
                                                                double scale) {
  // (p − 1) + 2α·lse·p rather than (1 + 2α·lse)·p − 1: p − 1 keeps its digits near convergence.
  const double p = probability(true_logit, state);
  return ((p - 1.0) + 2.0 * alpha * state.log_sum() * p) * scale;
}

}  // namespace onelogit
