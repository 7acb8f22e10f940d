#include <vector>

#include "backend/cpu/conv2d_product.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/scratch.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

class CpuConv2dInference final : public Conv2dInference {
 public:
  CpuConv2dInference(const Conv2dGeometry& geometry, const float* weight, const float* bias)
      : geometry_(geometry),
        filters_(cpu_backend(), static_cast<std::size_t>(packed_filters_size(geometry)) * sizeof(float)) {
    pack_filters(geometry, weight, filters_.as<float>());
    if (bias != nullptr) bias_.assign(bias, bias + geometry.filters);
  }

  void run(const float* x, const float* residual, bool relu, float* y, std::int64_t m) const override {
    convolve(geometry_, x, filters_.as<float>(), {bias_.empty() ? nullptr : bias_.data(), residual, relu}, y, m);
  }

 private:
  Conv2dGeometry geometry_;
  Buffer filters_;
  std::vector<float> bias_;
};

}  // namespace

void CpuBackend::conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias,
                                float* y, std::int64_t m) {
  if (m == 0) return;
  float* const filters = scratch(Scratch::filters, packed_filters_size(geometry));
  pack_filters(geometry, weight, filters);
  convolve(geometry, x, filters, {.bias = bias}, y, m);
}

std::unique_ptr<Conv2dInference> CpuBackend::make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                                   const float* bias) {
  return std::make_unique<CpuConv2dInference>(geometry, weight, bias);
}

}  // namespace onelogit
