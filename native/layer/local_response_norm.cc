// Normalisation of each number by its neighbours across the last axis (Krizhevsky et al. 2012, 3.3), with torch's
// alpha: the sum of squares is divided by the size of the window. Keeps the denominators' bases for the backward pass.

#include "layer/layers.h"

namespace onelogit {
namespace {

class LocalResponseNormLayer final : public Layer {
 public:
  LocalResponseNormLayer(const LocalResponseNorm& norm, const Shape& input_shape)
      : norm_(norm), channels_(input_shape.back()), rows_per_example_(shape_size(input_shape) / input_shape.back()) {
    input_shape_ = output_shape_ = input_shape;
  }

  std::string_view type() const override { return "localResponseNorm"; }
  std::int64_t saved_size(std::int64_t m) const override { return m * shape_size(input_shape_); }
  LayerMemory memory() const override { return {.backward_reads_input = true}; }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float* saved) const override {
    pass.backend.local_response_norm_forward(norm_, x, y, saved, pass.examples * rows_per_example_, channels_);
  }

  void backward(const Pass& pass, const LayerTensors&, const float* x, const float*, const float* dy, float* dx,
                const float* saved) const override {
    if (dx != nullptr)
      pass.backend.local_response_norm_backward(norm_, x, saved, dy, dx, pass.examples * rows_per_example_, channels_);
  }

 private:
  LocalResponseNorm norm_;
  std::int64_t channels_, rows_per_example_;
};

}  // namespace

std::unique_ptr<Layer> make_local_response_norm(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<LocalResponseNormLayer>(spec.local_response_norm, input_shape);
}

}  // namespace onelogit
