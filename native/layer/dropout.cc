// Inverted dropout (Srivastava et al. 2014): in training an input is set to zero with probability `rate`, else
// multiplied by 1/(1 − rate); at inference nothing happens. No mask is stored: the backward pass draws it again from
// (seed, step).

#include "layer/layers.h"

namespace onelogit {
namespace {

class Dropout final : public Layer {
 public:
  Dropout(const LayerSpec& spec, const Shape& input_shape) : rate_(spec.rate) {
    input_shape_ = output_shape_ = input_shape;
    size_ = shape_size(input_shape);
  }

  std::string_view type() const override { return "dropout"; }
  LayerMemory memory() const override { return {.output_in_place = true, .gradient_in_place = true}; }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    const std::int64_t size = pass.examples * size_;
    if (pass.training)
      pass.backend.dropout(x, y, size, rate_, pass.seed, pass.step);
    else if (x != y)
      pass.backend.copy(y, x, static_cast<std::size_t>(size) * sizeof(float));
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float*, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr) pass.backend.dropout(dy, dx, pass.examples * size_, rate_, pass.seed, pass.step);
  }

 private:
  std::int64_t size_;
  float rate_;
};

}  // namespace

std::unique_ptr<Layer> make_dropout(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<Dropout>(spec, input_shape);
}

}  // namespace onelogit
