// PLACEHOLDERS of the branch: replaced by conv2d.*, pool.* and so on.
#include "backend/cpu/cpu_backend.h"
#include "error.h"

namespace onelogit {
void CpuBackend::add(const float* a, const float* b, float* y, std::int64_t size) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::copy_columns(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t columns) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::max_pool_forward(const Pool2dGeometry& geometry, const float* x, float* y, std::int32_t* places,
                                  std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::max_pool_backward(const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy,
                                   float* dx, std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::avg_pool_forward(const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                                  std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::avg_pool_backward(const Pool2dGeometry& geometry, bool count_padding, const float* dy, float* dx,
                                   std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::place_images(const float* x, std::int64_t height, std::int64_t width, float* y,
                              std::int64_t out_height, std::int64_t out_width, std::int64_t channels, std::int64_t top,
                              std::int64_t left, std::int64_t m) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::local_response_norm_forward(const LocalResponseNorm& norm, const float* x, float* y, float* scale,
                                             std::int64_t rows, std::int64_t channels) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
void CpuBackend::local_response_norm_backward(const LocalResponseNorm& norm, const float* x, const float* scale,
                                              const float* dy, float* dx, std::int64_t rows, std::int64_t channels) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "not yet");
}
}  // namespace onelogit
