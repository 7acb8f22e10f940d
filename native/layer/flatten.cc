// The same numbers as one axis: no work, no memory (LayerMemory::identity).

#include "layer/layers.h"

namespace onelogit {
namespace {

class Flatten final : public Layer {
 public:
  explicit Flatten(const Shape& input_shape) {
    input_shape_ = input_shape;
    output_shape_ = {shape_size(input_shape)};
  }

  std::string_view type() const override { return "flatten"; }
  LayerMemory memory() const override { return {.identity = true, .output_in_place = true, .gradient_in_place = true}; }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float*) const override {
    if (x != y) pass.backend.copy(y, x, bytes(pass.examples));
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float*, const float* dy, float* dx,
                const float*) const override {
    if (dx != nullptr && dx != dy) pass.backend.copy(dx, dy, bytes(pass.examples));
  }

 private:
  std::size_t bytes(std::int64_t m) const { return static_cast<std::size_t>(m * output_shape_[0]) * sizeof(float); }
};

}  // namespace

std::unique_ptr<Layer> make_flatten(const Shape& input_shape) { return std::make_unique<Flatten>(input_shape); }

}  // namespace onelogit
