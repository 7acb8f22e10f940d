// Batch normalisation (Ioffe and Szegedy 2015) per feature of the last axis; leading axes of an example count as rows,
// so that an image is normalised per channel. Saves the batch's mean and 1/sqrt(variance + epsilon): 2 × features.

#include "layer/layers.h"

namespace onelogit {
namespace {

class BatchNorm final : public Layer {
 public:
  BatchNorm(const LayerSpec& spec, const Shape& input_shape)
      : features_(input_shape.back()),
        rows_per_example_(shape_size(input_shape) / input_shape.back()),
        epsilon_(spec.epsilon),
        momentum_(spec.momentum),
        frozen_(spec.frozen) {
    input_shape_ = output_shape_ = input_shape;
  }

  std::string_view type() const override { return "batchNorm"; }

  std::vector<TensorSpec> tensor_specs() const override {
    return {{"weight", {features_}, true, Initializer::ones},
            {"bias", {features_}, true, Initializer::zeros},
            {"running_mean", {features_}, false, Initializer::zeros},
            {"running_var", {features_}, false, Initializer::ones}};
  }

  std::int64_t saved_size(std::int64_t) const override { return 2 * features_; }
  LayerMemory memory() const override { return {.gradient_in_place = true, .backward_reads_input = !frozen_}; }
  // The variance of one row is 0: every output would be the bias, whatever the input.
  std::int64_t smallest_batch() const override { return rows_per_example_ > 1 || frozen_ ? 1 : 2; }

  void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float* saved) const override {
    const std::int64_t rows = pass.examples * rows_per_example_;
    const auto& value = tensors.value;
    if (pass.training && frozen_) pass.backend.zero(saved, static_cast<std::size_t>(features_) * sizeof(float));
    if (pass.training && !frozen_)
      pass.backend.batch_norm_forward_training(x, value[0], value[1], epsilon_, momentum_, value[2], value[3], saved,
                                               saved + features_, y, rows, features_);
    else
      pass.backend.batch_norm_forward_inference(x, value[0], value[1], epsilon_, value[2], value[3], y, rows,
                                                features_);
  }

  void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float*, const float* dy, float* dx,
                const float* saved) const override {
    if (frozen_) {
      if (dx != nullptr) backward_frozen(pass, tensors, dy, dx, saved);
      return;
    }
    pass.backend.batch_norm_backward(x, dy, tensors.value[0], saved, saved + features_, dx, tensors.gradient[0],
                                     tensors.gradient[1], pass.examples * rows_per_example_, features_);
  }

 private:
  // dx = dy · gamma/sqrt(variance + epsilon): the forward pass with a mean and a beta of 0.
  void backward_frozen(const Pass& pass, const LayerTensors& tensors, const float* dy, float* dx,
                       const float* zeros) const {
    pass.backend.batch_norm_forward_inference(dy, tensors.value[0], zeros, epsilon_, zeros, tensors.value[3], dx,
                                              pass.examples * rows_per_example_, features_);
  }

  std::int64_t features_, rows_per_example_;
  float epsilon_, momentum_;
  bool frozen_;
};

}  // namespace

std::unique_ptr<Layer> make_batch_norm(const LayerSpec& spec, const Shape& input_shape) {
  return std::make_unique<BatchNorm>(spec, input_shape);
}

}  // namespace onelogit
