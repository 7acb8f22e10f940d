// nce: noise-contrastive estimation (Gutmann and Hyvärinen 2010; Mnih and Teh 2012; Keren et al., Eq. 3): tell the
// label from t draws of a noise distribution q over the classes. Aligned with the Principle of Logit Separation.
//
//   value     mean_i (−ln g_iy − t E_{j~q} ln(1 − g_ij)),  g_ij = σ(z_ij − ln(t q_j))
//   gradient  ∂/∂z_ij = (t q_j g_ij − [j = y_i](1 − g_ij)) / m
//
// With w_j = t q_j and x_ij = z_ij − ln w_j this is softplus(−x_iy) + Σ_j w_j softplus(x_ij): one pass when the
// expectation is taken exactly. With S = `numSampled` draws, with replacement, the expectation is (t/S) Σ over the
// draws:
//
//   gradient  ((t/S) c_ij g_ij − [j = y_i](1 − g_ij)) / m,  c_ij = how often class j was drawn for example i
//
// which costs O(m S), whatever k is. `removeAccidentalHits` drops draws of the label itself and keeps the divisor S. t
// is `noiseRatio`; its default is S, or k for the exact expectation. The label takes part in the expectation, so the
// optimum is z_y = 0, not +∞. Edge cases: every q_j > 0 (checked before); NaN gives NaN for the entries that are looked
// at, which with sampling are the label and the draws.
#pragma once

#include "loss/scalar_math.h"

namespace onelogit {

// −ln g_y. `shifted` is z_y − ln(t q_y).
template <class T>
ONELOGIT_SHARED_INLINE T nce_label_value(T shifted) {
  return softplus(-shifted);
}

// −(1 − g_y), what the label adds to its entry of the gradient.
template <class T>
ONELOGIT_SHARED_INLINE T nce_label_gradient(T shifted) {
  return -sigmoid(-shifted);
}

}  // namespace onelogit
