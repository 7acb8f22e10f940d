// Forward and backward over the layers of a model, in buffers planned once for a batch size: activations, what layers
// keep for their backward pass and gradients of activations share one memory, each there while something reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layer/layer.h"
#include "model/graph.h"
#include "model/model.h"
#include "model/tensor_store.h"
#include "tensor/buffer.h"

namespace onelogit {

class TrainingPass {
 public:
  // Of the layers up to the one that makes the logits, which the pass leaves out if it is to end with the features.
  TrainingPass(Backend& backend, const Graph& graph, const TensorStore& store, std::int64_t m, std::uint64_t seed,
               Model::PassEnd end);

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
  // TrainingPlan::InputGradient, with addresses; null for nowhere.
  struct InputGradient {
    std::size_t input;
    float *dx, *sum;
    std::int64_t size;  // of one example
  };
  // One layer and where its pass reads and writes.
  struct Step {
    std::size_t index = 0;
    const Layer* layer = nullptr;
    const JoiningLayer* joining = nullptr;  // null: of one input
    LayerTensors tensors;
    std::vector<const float*> x;
    float *y = nullptr, *saved = nullptr, *dy = nullptr;
    bool runs_backward = false;
    std::vector<InputGradient> gradients;
    std::uint64_t seed = 0;                     // dropout's Philox key
    bool by_rows = false;                       // an embedding that is trained
    std::unique_ptr<EmbeddingTraining> rows{};  // its
    std::int64_t input_size(std::int64_t m) const { return m * shape_size(layer->input_shape()); }
    const std::int32_t* ids() const { return reinterpret_cast<const std::int32_t*>(x.front()); }
  };
  void make_steps(const Graph& graph);
  void place_steps(const Graph& graph);
  void backward(const Step& step_of_layer, const Pass& pass);
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
  Buffer memory_, statistics_before_;
  // Of each arena of the store: gradients (none for what the pass leaves out), and arrays of optimizer state.
  std::vector<Buffer> gradients_;
  std::vector<std::vector<Buffer>> states_;
  std::vector<ParameterSlice> slices_;
};

}  // namespace onelogit
