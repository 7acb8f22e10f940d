#include "backend/backend.h"
#include "error.h"

namespace onelogit {

BackendChoice select_backend(const std::string& device) {
  static const char* const no_cuda = "this build has no CUDA support";
  if (device == "cpu") return {&cpu_backend(), ""};
  if (device == "auto") return {&cpu_backend(), no_cuda};
  if (device == "cuda")
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_DEVICE_UNAVAILABLE",
                std::string("Expected a CUDA device for device 'cuda' but received none: ") + no_cuda);
  throw Error(ErrorKind::range, "ERR_ONELOGIT_ARGUMENT",
              "Expected 'auto', 'cpu' or 'cuda' for device but received '" + device + "'");
}

}  // namespace onelogit
