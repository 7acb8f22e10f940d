// A layer: shapes, parameters, forward and backward, on any backend. One file per layer beside this one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace onelogit {

using Shape = std::vector<std::int64_t>;
std::int64_t shape_size(const Shape& shape);

enum class Initializer { zeros, ones, he_normal, he_uniform, glorot_normal, glorot_uniform };

// The options of every layer type; a layer reads its own.
struct LayerSpec {
  std::string type;             // "dense" | "batchNorm" | "relu" | "dropout" | "flatten" | "softmax" | "embedding"
  std::int64_t vocabulary = 0;  // embedding: rows of the table
  std::int64_t units = 0;       // dense, embedding
  bool bias = true;             // dense
  WeightType storage = WeightType::float32;  // dense that makes the logits: of its weight
  std::optional<Initializer> initializer;    // dense; default he_normal, glorot_uniform for the last dense layer
  float epsilon = 1e-5f;                     // batchNorm
  float momentum = 0.1f;                     // batchNorm: running ← running + momentum (batch − running)
  float rate = 0.5f;                         // dropout: share of inputs set to zero
};

// One named tensor of a layer. Names are those of a torch.nn.Sequential: "weight", "bias", "running_mean",
// "running_var"; the model prefixes the layer's index: "0.weight".
struct TensorSpec {
  std::string name;
  Shape shape;
  bool trainable = true;
  Initializer initializer = Initializer::zeros;
  std::int64_t fan_in = 1, fan_out = 1;
  WeightType type = WeightType::float32;
  bool by_rows = false;  // a step may change few rows of it: it is updated apart from the rest
};

// What a layer needs to know about the pass it is in.
struct Pass {
  Backend& backend;
  std::int64_t examples;  // m of this batch
  bool training;
  std::uint64_t seed;  // dropout: Philox key (already mixed with the layer's index)
  std::uint64_t step;
};

// Device memory of a layer's tensors, in the order of tensor_specs(); gradients for trainable ones (else null).
struct LayerTensors {
  std::vector<float*> value;
  std::vector<float*> gradient;
};

// What the plan of buffers must know: which memory may be shared, and what the backward pass still reads.
struct LayerMemory {
  bool identity = false;               // y is x with another shape: always shared, never run
  bool output_in_place = false;        // y may be x's memory (backward reads y at most)
  bool gradient_in_place = false;      // dx may be dy's memory
  bool backward_reads_output = false;  // y must survive until backward: a later layer may not overwrite it
};

class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::string_view type() const = 0;
  const Shape& input_shape() const { return input_shape_; }
  const Shape& output_shape() const { return output_shape_; }
  virtual std::vector<TensorSpec> tensor_specs() const { return {}; }
  // float32 that this layer keeps from its forward to its backward pass, beside x and y, for a batch of m.
  virtual std::int64_t saved_size(std::int64_t /*m*/) const { return 0; }
  virtual LayerMemory memory() const { return {}; }
  // The smallest batch that the training pass can learn from (batch normalisation needs two rows).
  virtual std::int64_t smallest_batch() const { return 1; }

  // x: m×input, y: m×output.
  virtual void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float* saved) const = 0;
  // dx: m×input, or null when nobody needs it; gradients of trainable tensors are overwritten.
  virtual void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float* y, const float* dy,
                        float* dx, const float* saved) const = 0;

 protected:
  Shape input_shape_, output_shape_;
};

// Throws ERR_ONELOGIT_LAYER for an unknown type, impossible shapes or options out of range.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const Shape& input_shape);
// "[28, 28, 1]", for messages.
std::string describe_shape(const Shape& shape);

}  // namespace onelogit
