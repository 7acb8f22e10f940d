#include "backend/backend.h"
#include "backend/cuda.h"
#include "error.h"

namespace onelogit {
namespace {

// Nobody owns it: it lives as long as the process.
std::shared_ptr<Backend> the_cpu() { return {std::shared_ptr<void>(), &cpu_backend()}; }

}  // namespace

BackendChoice select_backend(const std::string& device) {
  if (device == "cpu") return {the_cpu(), ""};
  if (device != "auto" && device != "cuda")
    throw Error(ErrorKind::range, "ERR_ONELOGIT_ARGUMENT",
                "Expected 'auto', 'cpu' or 'cuda' for device but received '" + device + "'");
  const CudaState& cuda = cuda_state();
  if (cuda.available) return {make_cuda_backend(), ""};
  if (device == "auto") return {the_cpu(), cuda.reason};
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_DEVICE_UNAVAILABLE",
              "Expected a CUDA device for device 'cuda' but received none: " + cuda.reason);
}

}  // namespace onelogit
