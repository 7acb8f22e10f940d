// Steps in which a row has no gradient. Where a step touches few rows of many, the others are left as they are and
// caught up when they are read next:
//
//   sgd     weight decay and momentum go on. A step without a gradient is a linear map of (w, v), the same for every
//           element: with g = λ w, v ← μ v + g, w ← w − η (nesterov ? g + μ v : v). Any number of steps, each with its
//           own learning rate, is one product of 2×2 matrices: exact to rounding.
//   adamw   w ← (1 − η λ) w, exact to rounding; the moments rest, and so does the update that they would have given.
//   adam    nothing happens: decay is part of the gradient, and there is none.
//
// Resting moments are what the sparse variants of Adam elsewhere do too: a row moves only when it has a gradient.
#pragma once

#include <cstdint>
#include <vector>

#include "optimizer/adamw.h"
#include "optimizer/optimizer.h"
#include "optimizer/sgd.h"

namespace onelogit {

// (w, v) → (ww·w + wv·v, vw·w + vv·v)
struct IdleStep {
  double ww = 1, wv = 0, vw = 0, vv = 1;
};

// Whether a row changes in a step in which it has no gradient.
inline bool idle_rows_change(const OptimizerSpec& spec) {
  if (spec.kind == OptimizerKind::sgd) return spec.momentum != 0.0 || spec.weight_decay != 0.0;
  return spec.kind == OptimizerKind::adamw && spec.weight_decay != 0.0;
}

// Constants rounded to float32 as those of the steps with a gradient are.
ONELOGIT_SHARED_INLINE IdleStep make_idle_step(const OptimizerSpec& spec, float learning_rate) {
  IdleStep result;
  if (spec.kind == OptimizerKind::adamw) {
    result.ww = static_cast<double>(make_adamw_step(spec, learning_rate, 1).keep);
  } else if (spec.kind == OptimizerKind::sgd) {
    const SgdStep step = make_sgd_step(spec, learning_rate);
    const double rate = static_cast<double>(step.learning_rate), decay = static_cast<double>(step.weight_decay),
                 momentum = static_cast<double>(step.momentum);
    const double own = step.nesterov ? 1.0 + momentum : 1.0, of_velocity = step.nesterov ? momentum : 1.0;
    result = {1.0 - rate * decay * own, -rate * momentum * of_velocity, decay, momentum};
  }
  return result;
}

// `first`, then `then`.
ONELOGIT_SHARED_INLINE IdleStep idle_product(const IdleStep& first, const IdleStep& then) {
  return {then.ww * first.ww + then.wv * first.vw, then.ww * first.wv + then.wv * first.vv,
          then.vw * first.ww + then.vv * first.vw, then.vw * first.wv + then.vv * first.vv};
}

// The products of the latest steps, so that a row of any age is caught up by one look-up.
class IdleHistory {
 public:
  // Every step costs a product for each step that is remembered. When it is full, catch up all rows and clear it.
  static constexpr std::uint32_t capacity = 4096;

  std::uint32_t now() const { return static_cast<std::uint32_t>(since_.size()); }
  bool full() const { return now() == capacity; }
  // All steps from `step` (below now()) to the latest one.
  const IdleStep& since(std::uint32_t step) const { return since_[step]; }
  void push(const IdleStep& latest) {
    for (IdleStep& s : since_) s = idle_product(s, latest);
    since_.push_back(latest);
  }
  void clear() { since_.clear(); }

 private:
  std::vector<IdleStep> since_;
};

}  // namespace onelogit
