// The largest value of each window and channel. Keeps where each one was for the backward pass.

#include <limits>

#include "layer/layers.h"
#include "layer/reject.h"
#include "layer/windows.h"

namespace onelogit {
namespace {

class MaxPool final : public Layer {
 public:
  MaxPool(const LayerSpec& spec, const Shape& input_shape) : geometry_(window_geometry(spec, input_shape)) {
    input_shape_ = input_shape;
    output_shape_ = onelogit::output_shape(geometry_, geometry_.channels);
  }

  std::string_view type() const override { return "maxPool"; }
  // One int32 for each output, in the memory that float32 have.
  std::int64_t saved_size(std::int64_t m) const override { return m * shape_size(output_shape_); }

  void forward(const Pass& pass, const LayerTensors&, const float* x, float* y, float* saved) const override {
    pass.backend.max_pool_forward(geometry_, x, y, reinterpret_cast<std::int32_t*>(saved), pass.examples);
  }

  void backward(const Pass& pass, const LayerTensors&, const float*, const float*, const float* dy, float* dx,
                const float* saved) const override {
    if (dx != nullptr)
      pass.backend.max_pool_backward(geometry_, reinterpret_cast<const std::int32_t*>(saved), dy, dx, pass.examples);
  }

 private:
  Pool2dGeometry geometry_;
};

}  // namespace

std::unique_ptr<Layer> make_max_pool(const LayerSpec& spec, const Shape& input_shape) {
  const std::int64_t pixels = window_geometry(spec, input_shape).in_pixels();
  if (pixels > std::numeric_limits<std::int32_t>::max())
    reject_layer("less than 2^31 pixels", "the input of maxPool", describe_shape(input_shape));
  return std::make_unique<MaxPool>(spec, input_shape);
}

}  // namespace onelogit
