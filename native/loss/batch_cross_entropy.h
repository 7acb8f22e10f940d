// batch-cross-entropy: KL(P_B‖Q_B) between the labels' distribution over the m×k entries of a batch, 1/m at each (i,
// y_i), and the softmax over all m×k logits (Keren et al., Definition 2). Aligned with the Principle of Logit
// Separation.
//
//   value     LSE_B − mean_i z_iy − ln m,  LSE_B = ln Σ_ij exp z_ij
//   gradient  ∂/∂z_ij = exp(z_ij − M_B)/S_B − [j = y_i]/m
//
// KL = Σ_i (1/m) ln((1/m)/Q_iy) = −ln m − mean_i (z_iy − LSE_B). One scalar normaliser for the whole batch. Exact: no ε
// inside the logarithm (with one, the true logit's gradient would be scaled by Q/(Q+ε), which is 0.004 at m = 256, k =
// 10⁶, ε = 10⁻⁶). With m = 1 it is cross-entropy. The value is always divided by m through P_B: there is no
// `reduction`. The gradients of a batch add up to 0. Edge cases: m = 1, k = 1 gives 0; NaN and +∞ give NaN.
#pragma once

#include "loss/softmax_state.h"

namespace onelogit {

// `true_logit_gap_sum` is Σ_i (M_B − z_iy), accumulated in float64.
ONELOGIT_SHARED_INLINE double batch_cross_entropy_value(SoftmaxState batch, double true_logit_gap_sum, double m) {
  return true_logit_gap_sum / m + std::log(batch.sum / m);
}

ONELOGIT_SHARED_INLINE double batch_cross_entropy_label_gradient(SoftmaxState batch, float true_logit, double m) {
  return probability(true_logit, batch) - 1.0 / m;
}

}  // namespace onelogit
