#include "backend/cuda.h"
#include "error.h"

namespace onelogit {

const CudaState& cuda_state() {
  static const CudaState state = [] {
    CudaState none;
    none.reason = "this build has no CUDA support";
    return none;
  }();
  return state;
}

std::shared_ptr<Backend> make_cuda_backend(Precision) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_CUDA", "Expected a CUDA device but " + cuda_state().reason);
}

}  // namespace onelogit
