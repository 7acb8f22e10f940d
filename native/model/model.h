// A sequence of layers, its tensors, and the buffers of its passes.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "layer/layer.h"
#include "tensor/buffer.h"

namespace onelogit {

struct ModelSpec {
  Shape input_shape;
  std::vector<LayerSpec> layers;
  std::uint64_t seed = 0;
};

// Part of the model: applied by fit, evaluate and score alike.
struct Preprocessing {
  float scale = 1.0f;
  std::vector<float> mean, standard_deviation;  // both empty, or both of length 1 or of the last axis
  PreprocessingView view() const;
};

struct NamedTensor {
  std::string name;  // "0.weight"
  Shape shape;
  float* data;       // device memory
  bool trainable;
};

enum class Output { logits, features, softmax };  // features: the input of the last dense layer

class Model {
 public:
  // Builds layers, allocates and initialises tensors (He, Glorot; from spec.seed). Throws ERR_ONELOGIT_LAYER.
  Model(const ModelSpec& spec, Backend& backend);
  ~Model();

  Backend& backend() const;
  const ModelSpec& spec() const;
  std::int64_t input_size() const;
  std::int64_t classes() const;       // outputs of the last dense layer
  std::int64_t feature_size() const;  // inputs of the last dense layer
  std::int64_t parameter_count() const;  // trainable numbers
  const std::vector<NamedTensor>& tensors() const;
  // The last dense layer's weight (classes×features) and bias (null if it has none).
  const NamedTensor& class_weight() const;
  const NamedTensor* class_bias() const;

  std::optional<Preprocessing> preprocessing;  // unset until chosen or fixed by the first fit
  bool trained = false;                        // fitted or loaded: no prior bias any more

  // ---- inference: m examples of host memory → host float32. Batch norm is folded into the dense layer before it; the
  // folded copy is made anew after the tensors changed (`tensors_changed`). Chunks of at most 256 examples inside. `cancelled`
  // may be null; returns false when it stopped.
  bool predict(const void* examples, ExampleType type, std::int64_t m, Output output, float* out,
               const std::atomic<bool>* cancelled);
  void tensors_changed();

  // ---- training: buffers are planned once for a batch of m and reused; a step allocates nothing.
  void plan_training(std::int64_t m);
  float* training_input();                                             // m×input, to be filled by the caller
  const float* forward_training(std::int64_t m, std::uint64_t step);   // → logits, m×classes
  float* logits_gradient();                                            // m×classes, to be filled by the loss
  void backward(std::int64_t m);                                       // fills the parameters' gradients
  // All trainable parameters as few contiguous slices; `state_count` arrays of optimizer state are allocated (zeroed) the
  // first time and kept until release_training.
  const std::vector<ParameterSlice>& parameter_slices(int state_count);
  // Optimizer state as named tensors ("optimizer.0.0.weight": state array 0 of 0.weight), for checkpoints.
  std::vector<NamedTensor> optimizer_tensors();
  void release_training();

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace onelogit
