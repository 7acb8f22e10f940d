// The CPU's implementation of the losses.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"

namespace onelogit {

std::unique_ptr<LossKernel> make_cpu_loss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);

}  // namespace onelogit
