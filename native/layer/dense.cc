// y = x · weightᵀ + bias. The weight is units×inputs: one output unit, so one class, is one contiguous row. An example
// of any shape is taken as one vector, as if a flatten came before.

#include "layer/layers.h"

namespace onelogit {
namespace {

class Dense final : public Layer {
 public:
  Dense(const LayerSpec& spec, const Shape& input_shape)
      : inputs_(shape_size(input_shape)),
        units_(spec.units),
        bias_(spec.bias),
        storage_(spec.storage),
        initializer_(spec.initializer.value_or(Initializer::he_normal)) {
    input_shape_ = input_shape;
    output_shape_ = {units_};
  }

  std::string_view type() const override { return "dense"; }

  std::vector<TensorSpec> tensor_specs() const override {
    std::vector<TensorSpec> specs{{"weight", {units_, inputs_}, true, initializer_, inputs_, units_, storage_}};
    if (bias_) specs.push_back({"bias", {units_}, true, Initializer::zeros, inputs_, units_});
    return specs;
  }

  LayerMemory memory() const override { return {.backward_reads_input = true}; }

  void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float*) const override {
    pass.backend.dense_forward(x, tensors.value[0], bias_ ? tensors.value[1] : nullptr, y, pass.examples, inputs_,
                               units_);
  }

  void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float*, const float* dy, float* dx,
                const float*) const override {
    if (tensors.gradient[0] != nullptr)
      pass.backend.dense_backward_weight(x, dy, tensors.gradient[0], bias_ ? tensors.gradient[1] : nullptr,
                                         pass.examples, inputs_, units_);
    if (dx != nullptr) pass.backend.dense_backward_input(dy, tensors.value[0], dx, pass.examples, inputs_, units_);
  }

 private:
  std::int64_t inputs_, units_;
  bool bias_;
  WeightType storage_;
  Initializer initializer_;
};

}  // namespace

std::unique_ptr<Layer> make_dense(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<Dense>(spec, input_shape);
}

}  // namespace onelogit
