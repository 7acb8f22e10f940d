// The layers of a model, its tensors, and the buffers of its passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "layer/layer.h"
#include "model/named_tensor.h"
#include "optimizer/parameter_rows.h"
#include "tensor/buffer.h"

namespace onelogit {

struct ModelSpec {
  Shape input_shape;
  std::vector<LayerSpec> layers;
  std::uint64_t seed = 0;
};

// Index of the dense layer that makes the logits: the last layer, or the one before a last softmax. Throws
// ERR_ONELOGIT_LAYER if there is none.
std::size_t last_dense_layer(const ModelSpec& spec);

// Part of the model: applied by fit, evaluate and score alike.
struct Preprocessing {
  float scale = 1.0f;
  std::vector<float> mean, standard_deviation;  // both empty, or both of length 1 or of the last axis
  PreprocessingView view() const;
};

enum class Output { logits, features, softmax };  // features: the input of the last dense layer

// Rows per chunk of `predict`, at most (fewer when the logits of that many rows would not fit the workspace).
inline constexpr std::int64_t max_inference_rows = 256;
// Bytes of what such a chunk takes, about.
inline constexpr std::int64_t inference_memory = std::int64_t{64} << 20;

class Model {
 public:
  // Builds layers, allocates and initialises tensors (He, Glorot; from spec.seed). Throws ERR_ONELOGIT_LAYER.
  // The last layer is dense: its outputs are the logits. One softmax may follow it; it is for inference only
  // (`Output::softmax`): `Output::logits`, the losses and the metrics always see the logits before it.
  Model(const ModelSpec& spec, Backend& backend);
  ~Model();

  Backend& backend() const;
  const ModelSpec& spec() const;
  std::int64_t input_size() const;
  std::int64_t classes() const;          // outputs of the last dense layer
  std::int64_t feature_size() const;     // inputs of the last dense layer
  std::int64_t parameter_count() const;  // trainable numbers
  bool ends_in_softmax() const;
  const std::vector<NamedTensor>& tensors() const;
  // The last dense layer's weight (classes×features) and bias (null if it has none).
  const NamedTensor& class_weight() const;
  const NamedTensor* class_bias() const;

  std::optional<Preprocessing> preprocessing;  // unset until chosen or fixed by the first fit
  bool trained = false;                        // fitted or loaded: no prior bias any more
  // Some tensors were replaced and others not, because a disk or a device failed between the two: what the model
  // computes is of no use until all of them are (a checkpoint has all).
  bool mixed = false;

  // ---- inference: m examples of host memory → host float32. What the predictor arranges (predictor.h) is made anew
  // after the tensors changed (`tensors_changed`). Chunks of at most 256 examples inside. `cancelled` may be null;
  // returns false when it stopped. May be called from several threads at once (calls take turns by chunk), but not
  // while another thread trains or loads tensors. `number` is what messages call the first example; `done`, if there is
  // one, grows by the examples of each chunk.
  bool predict(const void* examples, ExampleType type, std::int64_t m, Output output, float* out,
               const std::atomic<bool>* cancelled, std::int64_t number = 0, std::atomic<std::int64_t>* done = nullptr);
  void tensors_changed();
  // The same on the device, for a caller that brings its own batch: fill inference_input (m×input; any m, memory grows
  // to the largest seen), then run; the result is valid until the next call. One thread at a time.
  float* inference_input(std::int64_t m);
  const float* forward_inference(std::int64_t m, Output output);

  // ---- training: buffers are planned once for a batch of m and reused; a step allocates nothing. `seed` drives
  // dropout. Throws ERR_ONELOGIT_BATCH_SIZE when m is too small for a layer (batch normalisation needs two rows).
  // With PassEnd::features the last dense layer is left to the caller: the pass ends with its input, m×features, and
  // starts back from the gradient of that; class_rows() is what the caller updates.
  enum class PassEnd { logits, features };
  void plan_training(std::int64_t m, std::uint64_t seed, PassEnd end = PassEnd::logits);
  float* training_input();                                            // m×input, to be filled by the caller
  const float* forward_training(std::int64_t m, std::uint64_t step);  // → m×classes, or m×features
  // m×classes, or m×features, to be filled by the loss; null when no layer before the last has parameters.
  float* output_gradient();
  void backward(std::int64_t m, std::uint64_t step);  // fills the parameters' gradients
  // Puts the running statistics back to what they were before the last forward_training (a batch that turned out bad).
  void restore_running_statistics();
  // All parameters of the pass as few contiguous slices; `state_count` arrays of optimizer state are allocated (zeroed)
  // the first time, for the last dense layer too, and kept until release_training.
  const std::vector<ParameterSlice>& parameter_slices(int state_count);
  // What the pass updates by rows (an embedding's table), and is in no slice: planned for one optimizer after
  // parameter_slices, before the first forward_training of a model that has an embedding.
  void plan_row_updates(const OptimizerSpec& optimizer);
  void add_row_gradient_squares(double* squares);  // *squares (float64, device) += Σ g²
  void update_rows(float learning_rate, std::uint64_t step, const float* gradient_scale);  // `step` from 0
  // Brings all rows up to date: before anybody reads them.
  void catch_up_rows();
  // The last dense layer's parameters and their optimizer state (after parameter_slices).
  ParameterRows class_rows();
  // Optimizer state as named tensors ("optimizer.0.0.weight": state array 0 of 0.weight), for checkpoints.
  std::vector<NamedTensor> optimizer_tensors();
  // Gradients under their parameters' names (plan_training first).
  std::vector<NamedTensor> gradient_tensors();
  void release_training();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace onelogit
