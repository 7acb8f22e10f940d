// The last dense layer and the loss within a run of training, over logits in full or fused (head/linear_loss.h), and
// whatever else of the model is updated by rows.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "head/linear_loss.h"
#include "model/model.h"
#include "train/trainer.h"

namespace onelogit {

// What options.memory comes to for this model: never `automatic`. Fused when the logits of a batch are more than 2²⁰ (4
// MiB) or the class matrix is bfloat16; then `store` while the gradient of the class matrix has at most 2²⁸ numbers (1
// GiB) or is clipped. Depends on nothing but the model and the options, so that a run is the same on every machine.
// Throws ERR_ONELOGIT_RANGE for what cannot be: logits of a bfloat16 matrix; clipping with `recompute`, for a loss
// that gives every class a gradient.
HeadMemory choose_head_memory(const Model& model, const TrainOptions& options);
std::string_view head_memory_name(HeadMemory memory);

class LastLayer {
 public:
  // Plans the model's training pass. `loss` is the spec as trained (noise counts filled in); `max_validation` examples
  // are evaluated at a time at most.
  LastLayer(Model& model, const TrainOptions& options, const LossSpec& loss, std::int64_t max_validation);

  // A step's forward pass to the loss, and the gradient of whatever the backward pass begins with; the training input
  // has been filled. → one float64 and one int64 of device memory; the count is −1 where it is not known (sampled nce).
  void run(const std::int32_t* labels, std::int64_t m, std::uint64_t step, float learning_rate, double* value,
           std::int64_t* correct);
  // Σ g² of what is not in the model's parameter slices, device memory. After the backward pass.
  const double* gradient_squares();
  // Updates what is not in the model's parameter slices. `gradient_scale`: device memory, or null.
  void update(float learning_rate, std::uint64_t step, const float* gradient_scale);
  // Before anybody reads the class matrix or an embedding.
  void catch_up();
  // Loss and correct answers of examples of the inference input, which has been filled.
  void evaluate(const std::int32_t* labels, std::int64_t m, std::uint64_t step, double* value, std::int64_t* correct);

 private:
  Model& model_;
  std::unique_ptr<LossKernel> kernel_;         // over logits
  std::unique_ptr<LinearLossTraining> fused_;  // or fused
  Buffer squares_;
};

}  // namespace onelogit
