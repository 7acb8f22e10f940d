// The layers before the logits, arranged for prediction: batch normalisation folded into the convolution or the dense
// layer before it, relu and the sum with a shortcut done by the convolution, dropout left out, outputs in memory that
// is used again as soon as nothing reads it any more.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "layer/layer.h"
#include "model/graph.h"
#include "tensor/buffer.h"

namespace onelogit {

class Predictor {
 public:
  // Of all layers of `graph` before the one that makes the logits.
  Predictor(std::shared_ptr<const Graph> graph, const ModelSpec& spec);

  const Graph& graph() const { return *graph_; }

  // Takes the layers' tensors (memory of `backend`, one entry a layer): folds and copies what it arranges differently,
  // and goes on reading the rest. Before the first `forward`, and after the tensors changed.
  void prepare(Backend& backend, std::span<const LayerTensors> tensors);
  // Whether `forward` reads this layer's own tensors.
  bool reads_tensors(std::size_t layer) const;

  // Elements of float32 that `forward` needs for each example.
  std::int64_t memory_per_example() const { return memory_per_example_; }
  // Whether the features are the input.
  bool is_identity() const { return steps_.empty(); }
  // "conv2d [28, 28, 64], relu, add of 3": what computes, with the shape that it makes and, where it branches, what it
  // reads. Predictors of the same text over the same input do the same work in the same memory.
  std::string description() const;

  // Where in `memory`, of m × memory_per_example(), the m inputs go (float32, or int32 before an embedding).
  float* input(float* memory, std::int64_t m) const { return memory + input_place_ * m; }
  // Returns the features, m × those of an example, in `memory`; the inputs may be overwritten. May be called from
  // several threads at once, each with memory of its own.
  const float* forward(Backend& backend, float* memory, std::int64_t m) const;

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  struct Step {
    std::size_t layer = 0;            // index
    std::size_t batch_norm = none;    // the layer that is folded into this one
    std::size_t residual = none;      // value that a convolution adds
    bool relu = false;                // of a convolution
    std::size_t value = 0;            // what it makes: the output of the last of its layers
    std::vector<std::size_t> inputs;  // values
    std::vector<std::int64_t> x;      // places of the inputs, of the residual and of what it makes, for each example
    std::int64_t added = 0, y = 0;
    // From prepare:
    LayerTensors tensors;
    std::unique_ptr<Conv2dInference> convolution;
    Buffer weight, bias;  // of a dense layer with batch normalisation
  };
  void add_step(std::size_t layer);
  bool fold_batch_norm_into(std::size_t layer, std::size_t input);
  bool fold_relu_into(std::size_t layer, std::size_t input);
  bool fold_add_into(std::size_t layer);
  Step* maker_of(std::size_t value);
  void plan_memory();
  void prepare(Backend& backend, Step& step, std::span<const LayerTensors> tensors);

  std::shared_ptr<const Graph> graph_;
  std::vector<LayerSpec> specs_;
  std::vector<std::size_t> same_as_;  // of each value: the one that a step makes and this one is but another name of
  std::vector<std::size_t> readers_;  // of each value: how many layers that compute read it, under any name
  std::vector<Step> steps_;
  std::int64_t memory_per_example_ = 0, input_place_ = 0, features_place_ = 0;
};

}  // namespace onelogit
