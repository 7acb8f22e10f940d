// PLACEHOLDERS of the branch: replaced by conv2d.*, pool.* and so on.
#include "backend/cpu/cpu_backend.h"
#include "error.h"

namespace onelogit {
void CpuBackend::conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias,
                                float* y, std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::conv2d_backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx,
                                       std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::conv2d_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                                        float* dbias, std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
std::unique_ptr<Conv2dInference> CpuBackend::make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                                   const float* bias) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
}  // namespace onelogit
