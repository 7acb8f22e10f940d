#include "backend/backend.h"
#include "backend/cuda.h"
#include "error.h"

namespace onelogit {
namespace {

// Nobody owns it: it lives as long as the process.
std::shared_ptr<Backend> the_cpu() { return {std::shared_ptr<void>(), &cpu_backend()}; }

}  // namespace

std::string used_device(const std::string& device) {
  if (device != "auto") return device;
  return cuda_state().available ? "cuda" : "cpu";
}

BackendChoice select_backend(const std::string& device, Precision precision) {
  const auto cpu = [&](const std::string& reason) -> BackendChoice {
    if (precision != Precision::float32)
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_PRECISION",
                  "Expected 'float32' for precision on the CPU but received '" +
                      std::string(precision_name(precision)) + "'" +
                      (reason.empty() ? "" : ", and no GPU is used: " + reason));
    return {the_cpu(), reason};
  };
  if (device == "cpu") return cpu("");
  if (device != "auto" && device != "cuda")
    throw Error(ErrorKind::range, "ERR_ONELOGIT_ARGUMENT",
                "Expected 'auto', 'cpu' or 'cuda' for device but received '" + device + "'");
  const CudaState& cuda = cuda_state();
  if (cuda.available) return {make_cuda_backend(precision), ""};
  if (device == "auto") return cpu(cuda.reason);
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_DEVICE_UNAVAILABLE",
              "Expected a CUDA device for device 'cuda' but received none: " + cuda.reason);
}

}  // namespace onelogit
