// Losses on arrays of host memory by a backend with memory of its own: uploaded, computed, downloaded.
#pragma once

#include "backend/backend.h"

namespace onelogit {

// logits and gradient m×classes, labels m, all host memory. Returns the value.
double loss_through_device(Backend& backend, LossKernel& kernel, const float* logits, const std::int32_t* labels,
                           std::int64_t m, std::int64_t classes, float* gradient);

// The pointers of `arguments` are host memory; `correct` must be null. Returns the value.
double linear_loss_through_device(Backend& backend, LinearLossKernel& kernel, const LinearLossArguments& arguments);

}  // namespace onelogit
