// Forward over a chain of layers for prediction: own buffers, batch normalisation folded into the dense layer before
// it.
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

class InferencePass {
 public:
  // `layers` ends with the dense layer that makes the logits. Holds no memory until it is used.
  InferencePass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
                std::span<const LayerSpec> specs);

  void tensors_changed() { folded_ = false; }
  float* input(std::int64_t m);
  const float* forward(std::int64_t m, Output output);
  // Rows that a pass can take within about 64 MiB per buffer, 1 … max_inference_rows.
  std::int64_t rows_at_once(Output output) const;

 private:
  struct Step {
    const Layer* layer = nullptr;
    LayerTensors tensors;
    bool folds = false;   // the next layer's batch normalisation is in folded_weight and folded_bias
    bool folded = false;  // this batch normalisation is in the layer before
    float epsilon = 0;    // of the folded batch normalisation
    Buffer folded_weight, folded_bias;
  };
  void fold();
  void fold(Step& dense, const Step& batch_norm);

  Backend& backend_;
  std::vector<Step> steps_;
  bool folded_ = false;
  std::int64_t widest_hidden_ = 1, classes_ = 1;
  const void* bfloat16_weight_ = nullptr;           // of the last layer; null: float32
  std::int64_t hidden_rows_ = 0, logits_rows_ = 0;  // what the buffers hold
  Buffer input_, hidden_[2], logits_;
};

}  // namespace onelogit
