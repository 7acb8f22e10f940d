// The scalar functions that the losses are made of, for host and device and for float or double. None overflows: the
// argument of exp is never above 0.
#pragma once

#include <cmath>

#include "inline.h"

namespace onelogit {

// ln(1 + eˣ) = −ln σ(−x)
template <class T>
ONELOGIT_SHARED_INLINE T softplus(T x) {
  return (x > T(0) ? x : x == x ? T(0) : x) + std::log1p(std::exp(-std::fabs(x)));
}

// 1 / (1 + e⁻ˣ)
template <class T>
ONELOGIT_SHARED_INLINE T sigmoid(T x) {
  const T e = std::exp(-std::fabs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}

// max(0, x), but NaN stays NaN: a hinge over a logit that is not a number is not a number.
template <class T>
ONELOGIT_SHARED_INLINE T hinge(T x) {
  return x > T(0) ? x : x == x ? T(0) : x;
}

}  // namespace onelogit
