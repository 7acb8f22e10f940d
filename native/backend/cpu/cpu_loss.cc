#include "backend/cpu/cpu_loss.h"

#include "error.h"

namespace onelogit {

std::unique_ptr<LossKernel> make_cpu_loss(const LossSpec&, std::int64_t, std::int64_t) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL",
              "Expected the losses of the CPU backend but they are not built yet");
}

}  // namespace onelogit
