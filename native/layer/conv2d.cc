// Convolution over images (as in every library: a cross-correlation). The weight is filters × kernel height × kernel
// width × channels of a group: one filter is one contiguous row, in the order of a window's pixels.

#include "layer/layers.h"
#include "layer/windows.h"

namespace onelogit {
namespace {

class Conv2d final : public ConvolutionLayer {
 public:
  Conv2d(const LayerSpec& spec, const Shape& input_shape)
      : bias_(spec.bias), initializer_(spec.initializer.value_or(Initializer::he_normal)) {
    static_cast<Pool2dGeometry&>(geometry_) = window_geometry(spec, input_shape);
    geometry_.filters = spec.filters;
    geometry_.groups = spec.groups;
    input_shape_ = input_shape;
    output_shape_ = onelogit::output_shape(geometry_, geometry_.filters);
  }

  std::string_view type() const override { return "conv2d"; }
  const Conv2dGeometry& geometry() const override { return geometry_; }

  std::vector<TensorSpec> tensor_specs() const override {
    const std::int64_t fan_in = geometry_.filter_size(),
                       fan_out = geometry_.kernel_pixels() * geometry_.group_filters();
    std::vector<TensorSpec> specs{
        {"weight",
         {geometry_.filters, geometry_.kernel_height, geometry_.kernel_width, geometry_.group_channels()},
         true,
         initializer_,
         fan_in,
         fan_out}};
    if (bias_) specs.push_back({"bias", {geometry_.filters}, true, Initializer::zeros, fan_in, fan_out});
    return specs;
  }

  LayerMemory memory() const override { return {.backward_reads_input = true}; }

  void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float*) const override {
    pass.backend.conv2d_forward(geometry_, x, tensors.value[0], bias_ ? tensors.value[1] : nullptr, y, pass.examples);
  }

  void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float*, const float* dy, float* dx,
                const float*) const override {
    if (tensors.gradient[0] != nullptr)
      pass.backend.conv2d_backward_weight(geometry_, x, dy, tensors.gradient[0], bias_ ? tensors.gradient[1] : nullptr,
                                          pass.examples);
    if (dx != nullptr) pass.backend.conv2d_backward_input(geometry_, dy, tensors.value[0], dx, pass.examples);
  }

 private:
  Conv2dGeometry geometry_;
  bool bias_;
  Initializer initializer_;
};

}  // namespace

std::unique_ptr<Layer> make_conv2d(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<Conv2d>(spec, input_shape);
}

}  // namespace onelogit
