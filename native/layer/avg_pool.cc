// The mean of each window and channel (avgPool), or of each channel over the whole image, as a vector (globalAvgPool).

#include "layer/layers.h"
#include "layer/windows.h"

namespace onelogit {
namespace {

class AvgPool final : public Layer {
 public:
  AvgPool(std::string_view type, const Pool2dGeometry& geometry, bool count_padding, const Shape& input_shape,
          const Shape& output_shape)
      : type_(type), geometry_(geometry), count_padding_(count_padding) {
    input_shape_ = input_shape;
    output_shape_ = output_shape;
  }

  std::string_view type() const override { return type_; }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    pass.backend.avg_pool_forward(geometry_, count_padding_, x, y, pass.examples);
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float*, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr) pass.backend.avg_pool_backward(geometry_, count_padding_, dy, dx, pass.examples);
  }

 private:
  std::string_view type_;
  Pool2dGeometry geometry_;
  bool count_padding_;
};

}  // namespace

std::unique_ptr<Layer> make_avg_pool(const LayerSpec& spec, const Shape& input_shape) {
  const Pool2dGeometry geometry = window_geometry(spec, input_shape);
  return std::make_unique<AvgPool>("avgPool", geometry, spec.count_padding, input_shape,
                                   output_shape(geometry, geometry.channels));
}

std::unique_ptr<Layer> make_global_avg_pool(const LayerSpec& spec, const Shape& input_shape) {
  check_image(spec, input_shape);
  LayerSpec whole;
  whole.type = spec.type;
  whole.kernel[0] = input_shape[0];
  whole.kernel[1] = input_shape[1];
  return std::make_unique<AvgPool>("globalAvgPool", window_geometry(whole, input_shape), true, input_shape,
                                   Shape{input_shape[2]});
}

}  // namespace onelogit
