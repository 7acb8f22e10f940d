// Two or more inputs side by side along the last axis: the channels of images (Szegedy et al. 2015).

#include "layer/layers.h"

namespace onelogit {
namespace {

class Concat final : public JoiningLayer {
 public:
  explicit Concat(const std::vector<Shape>& input_shapes) {
    input_shape_ = output_shape_ = input_shapes.front();
    output_shape_.back() = 0;
    for (const Shape& shape : input_shapes) {
      offsets_.push_back(output_shape_.back());
      columns_.push_back(shape.back());
      output_shape_.back() += shape.back();
    }
    rows_per_example_ = shape_size(input_shape_) / input_shape_.back();
  }

  std::string_view type() const override { return "concat"; }
  bool adds() const override { return false; }

  void join(const Pass& pass, std::span<const float* const> x, float* y) const override {
    for (std::size_t i = 0; i < x.size(); ++i)
      pass.backend.copy_columns(x[i], columns_[i], y + offsets_[i], output_shape_.back(),
                                pass.examples * rows_per_example_, columns_[i]);
  }

  void split(const Pass& pass, std::size_t input, const float* dy, float* dx) const override {
    pass.backend.copy_columns(dy + offsets_[input], output_shape_.back(), dx, columns_[input],
                              pass.examples * rows_per_example_, columns_[input]);
  }

 private:
  std::vector<std::int64_t> offsets_, columns_;
  std::int64_t rows_per_example_ = 1;
};

}  // namespace

std::unique_ptr<Layer> make_concat(const std::vector<Shape>& input_shapes) {
  return std::make_unique<Concat>(input_shapes);
}

}  // namespace onelogit
