// Forward and backward over a chain of layers, in buffers planned once for a batch size.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layer/layer.h"
#include "model/model.h"
#include "model/tensor_store.h"
#include "tensor/buffer.h"

namespace onelogit {

class TrainingPass {
 public:
  // `layers` ends with the layer that makes the logits, which the pass leaves out if it is to end with the features.
  TrainingPass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
               std::int64_t m, std::uint64_t seed, Model::PassEnd end);

  std::int64_t examples() const { return m_; }
  bool is_planned_for(std::int64_t m, std::uint64_t seed, Model::PassEnd end) const {
    return m == m_ && seed == seed_ && end == end_;
  }
  float* input() const { return input_; }
  float* output_gradient() const { return output_gradient_; }
  const float* forward(std::int64_t m, std::uint64_t step);
  void backward(std::int64_t m, std::uint64_t step);
  void restore_running_statistics();

  const std::vector<ParameterSlice>& parameter_slices(int state_count);
  void plan_row_updates(const OptimizerSpec& optimizer);
  void add_row_gradient_squares(double* squares);
  void update_rows(float learning_rate, std::uint64_t step, const float* gradient_scale);
  void catch_up_rows();
  ParameterRows class_rows() const;
  std::vector<NamedTensor> optimizer_tensors() const;
  std::vector<NamedTensor> gradient_tensors() const;

 private:
  // One layer and where its pass reads and writes.
  struct Step {
    std::size_t index;
    const Layer* layer;
    LayerTensors tensors;
    float *x, *y, *saved;
    float *dy, *dx;                             // dx null: nobody needs it
    std::uint64_t seed;                         // dropout's Philox key
    std::unique_ptr<EmbeddingTraining> rows{};  // an embedding's
    bool is_embedding() const { return layer->type() == "embedding"; }
    std::int64_t input_size(std::int64_t m) const { return m * shape_size(layer->input_shape()); }
  };
  void plan_activations(std::int64_t input_size);
  void plan_gradients();
  ParameterRows rows_of(std::size_t weight, bool bias) const;
  Pass pass(const Step& step_of_layer, std::int64_t m, std::uint64_t step) const;

  Backend& backend_;
  const TensorStore& store_;
  std::int64_t m_;
  std::uint64_t seed_;
  Model::PassEnd end_;
  std::vector<Step> steps_;
  std::size_t last_layer_;  // the one that makes the logits
  float *input_ = nullptr, *output_gradient_ = nullptr;
  std::size_t first_trained_ = 0;  // the first layer whose gradient is needed
  Buffer activations_, activation_gradients_, statistics_before_;
  // Of each arena of the store: gradients (none for what the pass leaves out), and arrays of optimizer state.
  std::vector<Buffer> gradients_;
  std::vector<std::vector<Buffer>> states_;
  std::vector<ParameterSlice> slices_;
};

}  // namespace onelogit
