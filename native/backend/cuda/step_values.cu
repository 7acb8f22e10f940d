#include "backend/cuda/step_values.h"

#include "backend/cuda/launch.h"
#include "error.h"

namespace onelogit::cuda {
namespace {

__global__ void set_step_kernel(StepValues* to, StepValues values) { *to = values; }

}  // namespace

void Step::write(StepValues values) {
  if (is_written_ && written_.number == values.number && written_.learning_rate == values.learning_rate) return;
  if (is_held_)
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL",
                "Expected one step number and learning rate for a captured step but received another");
  launch("set_step", set_step_kernel, 1, 1, 0, stream_, values_.data(), values);
  written_ = values;
  is_written_ = true;
}

void Step::set(std::uint64_t number) { write({number, written_.learning_rate}); }
void Step::set(std::uint64_t number, float learning_rate) { write({number, learning_rate}); }

}  // namespace onelogit::cuda
