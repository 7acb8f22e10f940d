// One optimizer update of a contiguous run of parameters: every array is read and written once. Gradients are
// multiplied by `scale` (1 for none). The formulas are in native/optimizer/.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"
#include "optimizer/adam.h"
#include "optimizer/idle_steps.h"
#include "optimizer/sgd.h"

namespace onelogit {

struct OptimizerKernels {
  void (*sgd)(const SgdStep& step, float scale, const float* gradient, float* value, std::int64_t n);
  void (*sgd_momentum)(const SgdStep& step, float scale, const float* gradient, float* value, float* velocity,
                       std::int64_t n);
  void (*adam)(const AdamStep& step, float scale, const float* gradient, float* value, float* first, float* second,
               std::int64_t n);
  // Any number of steps without a gradient (optimizer/idle_steps.h): (w, v) ← (ww·w + wv·v, vw·w + vv·v). Without a
  // velocity (null), w ← ww·w.
  void (*idle)(const IdleStep& steps, float* value, float* velocity, std::int64_t n);
};
ONELOGIT_DECLARE_KERNELS(OptimizerKernels, optimizer_kernels)

}  // namespace onelogit
