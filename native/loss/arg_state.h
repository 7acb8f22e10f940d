// What a run of logits leaves behind for an arg max: the largest value and the lowest index that has it. Merging is
// associative and commutative, so ties do not depend on how the work was cut. NaN wins: a run that holds one has no
// maximum.
#pragma once

#include <cmath>
#include <cstdint>

#include "loss/scalar_math.h"

namespace onelogit {

struct ArgMax {
  float value = -INFINITY;
  std::int64_t index = -1;  // −1: nothing above −∞ yet
};

ONELOGIT_SHARED_INLINE ArgMax merge(ArgMax a, ArgMax b) {
  if (a.value != a.value) return a;
  if (b.value != b.value) return b;
  if (a.index < 0) return b;
  if (b.index < 0) return a;
  if (a.value != b.value) return a.value > b.value ? a : b;
  return a.index < b.index ? a : b;
}

}  // namespace onelogit
