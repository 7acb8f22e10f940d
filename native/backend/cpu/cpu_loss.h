// The seven losses on the CPU: value and gradient fused, on the thread pool.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "loss/loss.h"

namespace onelogit {

// Makes a loss ready for `classes` classes and batches of up to `max_examples`; its workspace is allocated here, a step
// allocates nothing. `spec` has been checked with check_loss. Results do not depend on the thread count: work is cut by
// sizes alone, and partial results are merged in order.
std::unique_ptr<LossKernel> make_cpu_loss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);

}  // namespace onelogit
