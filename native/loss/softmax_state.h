// What a run of logits leaves behind for a softmax normaliser: its maximum M and S = Σ exp(z − M). Two runs merge into
// the state of both; the operation is associative, so that blocks of classes, threads, devices and machines may each
// hold one.
//
// ln Σ exp z = M + ln S. A softmax probability is exp(z − M)/S, never exp(z − (M + ln S)) with the sum in float32: at
// logits of 10⁴, where neighbouring float32 are 10⁻³ apart, that would be wrong by up to half a thousandth.
#pragma once

#include <cmath>

#include "loss/scalar_math.h"

namespace onelogit {

struct SoftmaxState {
  float maximum = -INFINITY;  // exact: one of the logits
  double sum = 0;             // NaN as soon as one logit is NaN or +∞

  ONELOGIT_SHARED_INLINE double log_sum() const { return static_cast<double>(maximum) + std::log(sum); }
};

ONELOGIT_SHARED_INLINE SoftmaxState merge(SoftmaxState a, SoftmaxState b) {
  const float maximum = a.maximum > b.maximum ? a.maximum : b.maximum;
  // Equality first: −∞ − (−∞) is not a number.
  const auto rescaled = [maximum](SoftmaxState s) {
    return s.maximum == maximum ? s.sum
                                : s.sum * std::exp(static_cast<double>(s.maximum) - static_cast<double>(maximum));
  };
  return {maximum, rescaled(a) + rescaled(b)};
}

// exp(z − M)/S in float64, for the few entries where the cancellation of p − 1 matters.
ONELOGIT_SHARED_INLINE double probability(float logit, SoftmaxState state) {
  return std::exp(static_cast<double>(logit) - static_cast<double>(state.maximum)) / state.sum;
}

}  // namespace onelogit
