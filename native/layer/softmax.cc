// Softmax over the last axis, max-shifted. As the last layer of a model it is for inference only (see model.h).

#include "layer/layers.h"

namespace onelogit {
namespace {

class Softmax final : public Layer {
 public:
  explicit Softmax(const Shape& input_shape)
      : columns_(input_shape.back()), rows_per_example_(shape_size(input_shape) / input_shape.back()) {
    input_shape_ = output_shape_ = input_shape;
  }

  std::string_view type() const override { return "softmax"; }
  LayerMemory memory() const override {
    return {.output_in_place = true, .gradient_in_place = true, .backward_reads_output = true};
  }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    pass.backend.softmax_forward(x, y, pass.examples * rows_per_example_, columns_);
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float* y, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr) pass.backend.softmax_backward(y, dy, dx, pass.examples * rows_per_example_, columns_);
  }

 private:
  std::int64_t columns_, rows_per_example_;
};

}  // namespace

std::unique_ptr<Layer> make_softmax(const Shape& input_shape) { return std::make_unique<Softmax>(input_shape); }

}  // namespace onelogit
