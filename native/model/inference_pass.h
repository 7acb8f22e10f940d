// Prediction by a model: its predictor, the layer that makes the logits, and their buffers.
#pragma once

#include <cstdint>
#include <memory>

#include "model/graph.h"
#include "model/model.h"
#include "model/predictor.h"
#include "model/tensor_store.h"
#include "tensor/buffer.h"

namespace onelogit {

class InferencePass {
 public:
  // Holds no memory until it is used.
  InferencePass(Backend& backend, const std::shared_ptr<const Graph>& graph, const ModelSpec& spec,
                const TensorStore& store);

  void tensors_changed() { prepared_ = false; }
  float* input(std::int64_t m);
  const float* forward(std::int64_t m, Output output);
  // Rows that a pass can take within about 64 MiB of inputs, features and logits each, 1 … max_inference_rows.
  std::int64_t rows_at_once(Output output) const;

 private:
  void prepare();
  const float* features(std::int64_t m);

  Backend& backend_;
  const TensorStore& store_;
  std::shared_ptr<const Graph> graph_;
  Predictor predictor_;
  bool prepared_ = false;
  std::int64_t input_size_, feature_size_, classes_;
  const NamedTensor* weight_;    // of the last layer
  const float* bias_ = nullptr;  // null: it has none
  // The layers before the last run for few examples at a time, the last one, whose weight is large, for all: what is
  // between them lies in inputs_ and features_ then.
  std::int64_t most_at_once_;
  std::int64_t rows_ = 0, logits_rows_ = 0;  // what the buffers hold
  Buffer hidden_, inputs_, features_, logits_;
};

}  // namespace onelogit
