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
  // Rows that a pass can take within about 64 MiB, 1 … max_inference_rows.
  std::int64_t rows_at_once(Output output) const;

 private:
  void prepare();

  Backend& backend_;
  const TensorStore& store_;
  std::shared_ptr<const Graph> graph_;
  Predictor predictor_;
  bool prepared_ = false;
  std::int64_t features_, classes_;
  const NamedTensor* weight_;                       // of the last layer
  const float* bias_ = nullptr;                     // null: it has none
  std::int64_t hidden_rows_ = 0, logits_rows_ = 0;  // what the buffers hold
  Buffer hidden_, logits_;
};

}  // namespace onelogit
