// Forward and backward over a chain of layers, in buffers planned once for a batch size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layer/layer.h"
#include "model/tensor_store.h"
#include "tensor/buffer.h"

namespace onelogit {

class TrainingPass {
 public:
  // `layers` ends with the layer that makes the logits.
  TrainingPass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
               std::int64_t m, std::uint64_t seed);

  std::int64_t examples() const { return m_; }
  std::uint64_t seed() const { return seed_; }
  float* input() const { return steps_.front().x; }
  float* logits_gradient() const { return steps_.back().dy; }
  const float* forward(std::int64_t m, std::uint64_t step);
  void backward(std::int64_t m, std::uint64_t step);
  void restore_running_statistics();

  const std::vector<ParameterSlice>& parameter_slices(int state_count);
  std::vector<NamedTensor> optimizer_tensors() const;
  std::vector<NamedTensor> gradient_tensors() const;

 private:
  // One layer and where its pass reads and writes.
  struct Step {
    const Layer* layer;
    LayerTensors tensors;
    float *x, *y, *saved;
    float *dy, *dx;      // dx null: nobody needs it
    std::uint64_t seed;  // dropout's Philox key
  };
  void plan_activations();
  void plan_gradients();
  Pass pass(const Step& step_of_layer, std::int64_t m, std::uint64_t step) const;

  Backend& backend_;
  const TensorStore& store_;
  std::int64_t m_;
  std::uint64_t seed_;
  std::vector<Step> steps_;
  std::size_t first_trained_ = 0;  // the first layer whose gradient is needed
  Buffer activations_, activation_gradients_, parameter_gradients_, statistics_before_;
  std::vector<Buffer> states_;
  std::vector<ParameterSlice> slices_;
};

}  // namespace onelogit
