// The update rules of optimizer/ as kernels take them: each with the number of state arrays that it has.
#pragma once

#include "backend/cuda/launch.h"
#include "optimizer/adamw.h"
#include "optimizer/sgd.h"

namespace onelogit::cuda {

struct Sgd {
  static constexpr int states = 0;
  SgdStep step;
  __device__ __forceinline__ void operator()(float gradient, float& value, float (&)[2]) const {
    sgd_update(step, gradient, value);
  }
};
struct SgdMomentum {
  static constexpr int states = 1;
  SgdStep step;
  __device__ __forceinline__ void operator()(float gradient, float& value, float (&state)[2]) const {
    sgd_momentum_update(step, gradient, value, state[0]);
  }
};
struct SquareRoot {
  ONELOGIT_SHARED_INLINE float operator()(float x) const { return sqrtf(x); }
};
struct Adam {
  static constexpr int states = 2;
  AdamStep step;
  __device__ __forceinline__ void operator()(float gradient, float& value, float (&state)[2]) const {
    adam_update(step, gradient, value, state[0], state[1], SquareRoot());
  }
};

}  // namespace onelogit::cuda
