// binary-cross-entropy: k independent questions "is it class j?" (Keren et al., Sect. IV-C). Aligned with the Principle
// of Logit Separation.
//
//   value     mean_i (softplus(−z_iy) + Σ_{j≠y} softplus(z_ij)),  softplus(x) = ln(1 + eˣ)
//   gradient  ∂/∂z_ij = (σ(z_ij) − [j = y_i]) / m
//
// d softplus(x)/dx = σ(x), and σ(z) − 1 = −σ(−z) at the label, which is how it is computed there: nothing cancels. The
// sum over classes is not divided by k. One pass: an entry needs nothing but itself. Since softplus(−z) = softplus(z) −
// z, the value is Σ softplus(z_ij) − Σ_i z_iy, where softplus is accumulated as max(z, 0) and ln(1 + e^−|z|) in
// float64, so that the true logit's own max(z, 0) cancels exactly. Edge cases: NaN gives NaN, +∞ gives +∞ or NaN.
#pragma once

#include "loss/scalar_math.h"

namespace onelogit {

template <class T>
ONELOGIT_SHARED_INLINE T binary_cross_entropy_label_gradient(T true_logit) {
  return -sigmoid(-true_logit);
}

}  // namespace onelogit
