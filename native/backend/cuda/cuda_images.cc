// The operations of CudaBackend on images.

#include <limits>

#include "backend/cuda/copies.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/dense.h"
#include "backend/cuda/local_response_norm.h"
#include "backend/cuda/pool.h"
#include "error.h"

namespace onelogit {
namespace {

// Has copies of weight and bias. In bfloat16, the weight is rounded once.
class CudaConv2dInference final : public Conv2dInference {
 public:
  CudaConv2dInference(cuda::Convolutions& convolutions, const Conv2dGeometry& geometry, const float* weight,
                      const float* bias)
      : convolutions_(convolutions), geometry_(geometry) {
    constexpr const char* what = "a convolution for prediction";
    cudaStream_t stream = convolutions.queue().stream;
    const auto size = static_cast<std::size_t>(geometry.filters * geometry.filter_size()),
               filters = static_cast<std::size_t>(geometry.filters);
    if (convolutions.queue().products.precision() == Precision::bfloat16) {
      rounded_ = cuda::DeviceBuffer<std::uint16_t>(size, what);
      cuda::float32_to_bfloat16(stream, weight, rounded_.data(), static_cast<std::int64_t>(size));
    } else {
      weight_ = cuda::DeviceBuffer<float>(size, what);
      cuda::check(cudaMemcpyAsync(weight_.data(), weight, size * sizeof(float), cudaMemcpyDeviceToDevice, stream),
                  what);
    }
    if (bias == nullptr) return;
    bias_ = cuda::DeviceBuffer<float>(filters, what);
    cuda::check(cudaMemcpyAsync(bias_.data(), bias, filters * sizeof(float), cudaMemcpyDeviceToDevice, stream), what);
  }

  void run(const float* x, const float* residual, bool relu, float* y, std::int64_t m) const override {
    const cuda::FilterBank weight = rounded_.size() > 0 ? cuda::FilterBank{rounded_.data(), cuda::CublasType::bfloat16}
                                                        : cuda::FilterBank{weight_.data()};
    convolutions_.forward(geometry_, x, weight, {bias_.data(), residual, relu}, y, m);
  }

 private:
  cuda::Convolutions& convolutions_;
  Conv2dGeometry geometry_;
  cuda::DeviceBuffer<float> weight_, bias_;    // empty where there is none
  cuda::DeviceBuffer<std::uint16_t> rounded_;  // in the place of weight_
};

}  // namespace

void CudaBackend::conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias,
                                 float* y, std::int64_t m) {
  convolutions_.forward(geometry, x, {weight}, {bias}, y, m);
}
void CudaBackend::conv2d_backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx,
                                        std::int64_t m) {
  convolutions_.backward_input(geometry, dy, weight, dx, m);
}
void CudaBackend::conv2d_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy,
                                         float* dweight, float* dbias, std::int64_t m) {
  convolutions_.backward_weight(geometry, x, dy, dweight, dbias, m);
}
std::unique_ptr<Conv2dInference> CudaBackend::make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                                    const float* bias) {
  return std::make_unique<CudaConv2dInference>(convolutions_, geometry, weight, bias);
}

void CudaBackend::max_pool_forward(const Pool2dGeometry& geometry, const float* x, float* y, std::int32_t* places,
                                   std::int64_t m) {
  if (constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max(); geometry.in_pixels() > most)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected images of at most " + std::to_string(most) + " pixels for a maximum but received " +
                    std::to_string(geometry.in_pixels()));
  cuda::max_pool_forward(stream_, geometry, x, y, places, m);
}
void CudaBackend::max_pool_backward(const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy,
                                    float* dx, std::int64_t m) {
  cuda::max_pool_backward(stream_, geometry, places, dy, dx, m);
}
void CudaBackend::avg_pool_forward(const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                                   std::int64_t m) {
  cuda::avg_pool_forward(stream_, geometry, count_padding, x, y, m);
}
void CudaBackend::avg_pool_backward(const Pool2dGeometry& geometry, bool count_padding, const float* dy, float* dx,
                                    std::int64_t m) {
  cuda::avg_pool_backward(stream_, geometry, count_padding, dy, dx, m);
}

void CudaBackend::copy_columns(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                               std::int64_t columns) {
  cuda::copy_columns(stream_, x, ldx, y, ldy, rows, columns);
}
void CudaBackend::place_images(const float* x, std::int64_t height, std::int64_t width, float* y,
                               std::int64_t out_height, std::int64_t out_width, std::int64_t channels, std::int64_t top,
                               std::int64_t left, std::int64_t m) {
  cuda::place_images(stream_, x, height, width, y, out_height, out_width, channels, top, left, m);
}

void CudaBackend::local_response_norm_forward(const LocalResponseNorm& norm, const float* x, float* y, float* scale,
                                              std::int64_t rows, std::int64_t channels) {
  cuda::local_response_norm_forward(stream_, norm, x, y, scale, rows, channels);
}
void CudaBackend::local_response_norm_backward(const LocalResponseNorm& norm, const float* x, const float* scale,
                                               const float* dy, float* dx, std::int64_t rows, std::int64_t channels) {
  cuda::local_response_norm_backward(stream_, norm, x, scale, dy, dx, rows, channels);
}

}  // namespace onelogit
