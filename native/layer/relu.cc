// y = max(x, 0), in place. NaN stays NaN, so that a broken batch is found in the loss.

#include "layer/layers.h"

namespace onelogit {
namespace {

class Relu final : public Layer {
 public:
  explicit Relu(const Shape& input_shape) {
    input_shape_ = output_shape_ = input_shape;
    size_ = shape_size(input_shape);
  }

  std::string_view type() const override { return "relu"; }
  LayerMemory memory() const override {
    return {.output_in_place = true, .gradient_in_place = true, .backward_reads_output = true};
  }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    pass.backend.relu_forward(x, y, pass.examples * size_);
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float* y, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr) pass.backend.relu_backward(y, dy, dx, pass.examples * size_);
  }

 private:
  std::int64_t size_;
};

}  // namespace

std::unique_ptr<Layer> make_relu(const Shape& input_shape) { return std::make_unique<Relu>(input_shape); }

}  // namespace onelogit
