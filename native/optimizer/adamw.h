// AdamW (Loshchilov and Hutter 2019): Adam whose weight decay does not pass through the moments, in the form of
// torch.optim.AdamW: w ← w · (1 − learning_rate · weight_decay), then Adam's update with the gradient as it came.
#pragma once

#include "optimizer/adam.h"

namespace onelogit {

ONELOGIT_SHARED_INLINE AdamStep make_adamw_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step) {
  AdamStep result = make_adam_step(spec, learning_rate, step);
  result.weight_decay = 0.0f;
  result.keep = static_cast<float>(1.0 - static_cast<double>(learning_rate) * spec.weight_decay);
  return result;
}

}  // namespace onelogit
