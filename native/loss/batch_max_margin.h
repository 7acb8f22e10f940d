// batch-max-margin: max-margin plus one hinge over the whole batch, between its smallest true logit and its largest
// false one (Keren et al., Definition 3). Aligned with the Principle of Logit Separation.
//
//   value     max-margin + (1/m) max(0, γ − z₊ + z₋),  z₊ = min_i z_iy,  z₋ = max_{i, j≠y_i} z_ij
//   gradient  max-margin's, plus, where the batch hinge is above 0: −1/m at the arg min true logit, +1/m at the arg max
//   false one
//
// The 1/m on the batch hinge is the paper's. γ > 0 is shared by both terms (default 1). One pass: the rows' arg max
// states merge into the batch's. Edge cases: k ≥ 2; ties go to the lowest flat index i·k + j for the minimum as for the
// maximum; a hinge of exactly 0 has gradient 0; both terms may meet in one entry, where their gradients add up; NaN as
// for max-margin.
#pragma once

#include "loss/max_margin.h"

namespace onelogit {

struct BatchMargin {
  float smallest_true = INFINITY;
  std::int64_t smallest_true_row = -1;
  ArgMax largest_false;  // index is i·k + j

  // Rows must come in ascending order (the first of equals is kept).
  ONELOGIT_SHARED_INLINE void add_row(std::int64_t row, float true_logit, ArgMax row_largest_false) {
    if (smallest_true == smallest_true && (smallest_true_row < 0 || !(true_logit >= smallest_true))) {
      smallest_true = true_logit;
      smallest_true_row = row;
    }
    largest_false = merge(largest_false, row_largest_false);
  }
};

}  // namespace onelogit
