// max-margin: the hinge between the true logit and the largest false one (Crammer and Singer 2001; Keren et al., Eq.
// 2). Not aligned with the Principle of Logit Separation: it compares logits of one example only.
//
//   value     mean_i max(0, γ − z_iy + max_{j≠y} z_ij)
//   gradient  where the hinge is above 0: +1/m at the arg max over j ≠ y, −1/m at y; 0 elsewhere
//
// γ > 0 is an option (default 1). One pass; the gradient is zeros and at most two entries per row. Edge cases: k ≥ 2;
// ties for the maximum go to the lowest j; a hinge of exactly 0 has gradient 0 (0 is a subgradient there); a NaN
// anywhere in a row makes the value and that row's whole gradient NaN. γ − z_y + z_j is taken in float64: exact for any
// float32 logits of like size.
#pragma once

#include "loss/arg_state.h"

namespace onelogit {

ONELOGIT_SHARED_INLINE double max_margin_hinge(double margin, float true_logit, float largest_false) {
  return hinge(margin - static_cast<double>(true_logit) + static_cast<double>(largest_false));
}

}  // namespace onelogit
