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

// Whether a row's largest logit, the lowest class on ties, is its label's. A row with a NaN is wrong.
ONELOGIT_SHARED_INLINE bool is_correct(float true_logit, std::int32_t label, ArgMax largest_false) {
  if (largest_false.index < 0 && largest_false.value == largest_false.value) return true_logit == true_logit;
  return true_logit > largest_false.value || (true_logit == largest_false.value && label < largest_false.index);
}

}  // namespace onelogit
