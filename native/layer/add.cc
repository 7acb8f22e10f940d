// The sum of two or more inputs of one shape (He et al. 2016: a block's output and its shortcut).

#include "layer/layers.h"

namespace onelogit {
namespace {

class Add final : public JoiningLayer {
 public:
  explicit Add(const Shape& input_shape) { input_shape_ = output_shape_ = input_shape; }

  std::string_view type() const override { return "add"; }
  LayerMemory memory() const override { return {.output_in_place = true}; }
  bool adds() const override { return true; }

  void join(const Pass& pass, std::span<const float* const> x, float* y) const override {
    const std::int64_t size = pass.examples * shape_size(output_shape_);
    pass.backend.add(x[0], x[1], y, size);
    for (std::size_t i = 2; i < x.size(); ++i) pass.backend.add(y, x[i], y, size);
  }

  void split(const Pass& pass, std::size_t, const float* dy, float* dx) const override {
    pass.backend.copy(dx, dy, static_cast<std::size_t>(pass.examples * shape_size(output_shape_)) * sizeof(float));
  }
};

}  // namespace

std::unique_ptr<Layer> make_add(const std::vector<Shape>& input_shapes) {
  return std::make_unique<Add>(input_shapes.front());
}

}  // namespace onelogit
