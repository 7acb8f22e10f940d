// A layer: shapes, parameters, forward and backward, on any backend. One file per layer beside this one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace onelogit {

using Shape = std::vector<std::int64_t>;
std::int64_t shape_size(const Shape& shape);

enum class Initializer { zeros, ones, he_normal, he_uniform, glorot_normal, glorot_uniform };

// Zeros (or nothing, for a pool) around an image, in pixels. `same`: as many outputs as there are strides in the input,
// the odd pixel below and right.
struct Padding {
  bool same = false;
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
};

// The options of every layer type; a layer reads its own.
struct LayerSpec {
  std::string type;  // as in the list of make_layer
  std::string name;  // of its tensors: "name.weight"; empty: its index
  // Where its inputs come from: −1 is the model's input, i the output of layer i. Empty: the layer before.
  std::vector<std::int64_t> inputs;
  bool frozen = false;          // training leaves its tensors alone; batchNorm then goes by its running statistics
  std::int64_t vocabulary = 0;  // embedding: rows of the table
  std::int64_t units = 0;       // dense, embedding
  bool bias = true;             // dense, conv2d
  WeightType storage = WeightType::float32;  // dense that makes the logits: of its weight
  std::optional<Initializer> initializer;  // dense, conv2d; default he_normal, glorot_uniform for the last dense layer
  float epsilon = 1e-5f;                   // batchNorm
  float momentum = 0.1f;                   // batchNorm: running ← running + momentum (batch − running)
  float rate = 0.5f;                       // dropout: share of inputs set to zero
  std::int64_t filters = 0, groups = 1;    // conv2d
  std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1};  // conv2d, maxPool, avgPool: vertical, horizontal
  Padding padding;                                      // conv2d, maxPool, avgPool, zeroPadding
  bool count_padding = true;                            // avgPool: see avg_pool_forward
  LocalResponseNorm local_response_norm;                // localResponseNorm
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
  bool output_in_place = false;        // y may be the memory of the (first) x
  bool gradient_in_place = false;      // dx may be dy's memory
  bool backward_reads_input = false;   // x must survive until backward
  bool backward_reads_output = false;  // y must
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

  // x: m×input, y: m×output. `saved` is null in inference.
  virtual void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float* saved) const = 0;
  // dx: m×input, or null when nobody needs it; gradients of trained tensors are overwritten, those of others are null.
  virtual void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float* y, const float* dy,
                        float* dx, const float* saved) const = 0;

 protected:
  Shape input_shape_, output_shape_;
};

// A layer of several inputs: it has no tensors, and join and split in the place of forward and backward.
class JoiningLayer : public Layer {
 public:
  virtual void join(const Pass& pass, std::span<const float* const> x, float* y) const = 0;
  // dx of input number `input` from dy; not called where dx is dy (adds()).
  virtual void split(const Pass& pass, std::size_t input, const float* dy, float* dx) const = 0;
  // Whether the gradient of each input is dy itself.
  virtual bool adds() const = 0;

  void forward(const Pass& pass, const LayerTensors& tensors, const float* x, float* y, float* saved) const final;
  void backward(const Pass& pass, const LayerTensors& tensors, const float* x, const float* y, const float* dy,
                float* dx, const float* saved) const final;
};

// Throws ERR_ONELOGIT_LAYER for an unknown type, impossible shapes or options out of range, or another number of inputs
// than the layer takes.
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const std::vector<Shape>& input_shapes);
std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const Shape& input_shape);
// "[28, 28, 1]", for messages.
std::string describe_shape(const Shape& shape);

}  // namespace onelogit
