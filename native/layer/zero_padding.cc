// Zeros around an image.

#include "layer/layers.h"
#include "layer/windows.h"

namespace onelogit {
namespace {

class ZeroPadding final : public Layer {
 public:
  ZeroPadding(const Padding& padding, const Shape& input_shape) : padding_(padding) {
    input_shape_ = input_shape;
    output_shape_ = {input_shape[0] + padding.top + padding.bottom, input_shape[1] + padding.left + padding.right,
                     input_shape[2]};
  }

  std::string_view type() const override { return "zeroPadding"; }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    pass.backend.place_images(x, input_shape_[0], input_shape_[1], y, output_shape_[0], output_shape_[1],
                              input_shape_[2], padding_.top, padding_.left, pass.examples);
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float*, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr)
      pass.backend.place_images(dy, output_shape_[0], output_shape_[1], dx, input_shape_[0], input_shape_[1],
                                input_shape_[2], -padding_.top, -padding_.left, pass.examples);
  }

 private:
  Padding padding_;
};

}  // namespace

std::unique_ptr<Layer> make_zero_padding(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<ZeroPadding>(spec.padding, input_shape);
}

}  // namespace onelogit
