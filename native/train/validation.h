// Loss and accuracy on examples set aside, in inference mode.
#pragma once

#include <cstdint>

#include "tensor/buffer.h"
#include "train/batches.h"
#include "train/last_layer.h"
#include "train/trainer.h"

namespace onelogit {

class Validation {
 public:
  // `loss` is the spec as trained (noise counts filled in).
  Validation(Model& model, const TrainOptions& options, const LossSpec& loss, LastLayer& last_layer,
             ReaderThread& reader);

  // Examples per pass: batch losses depend on it, so theirs is the training batch size and the mean over passes is
  // weighted by their lengths (the last may be shorter). Per-example losses are averaged over all examples; with
  // reduction 'sum' the value is that of a batch of average examples, as in training. Sampled nce draws the same noise
  // at every validation.
  static std::int64_t rows(const Model& model, const TrainOptions& options, const LossSpec& loss);

  // Empty when cancelled. Throws ERR_ONELOGIT_NOT_FINITE naming an example whose inputs are not finite.
  std::optional<ValidationResult> run(const std::atomic<bool>* cancelled);

 private:
  Model& model_;
  ExampleSource& source_;
  const std::vector<std::int64_t>& indices_;
  LastLayer& last_layer_;
  ReaderThread& reader_;
  std::int64_t batch_size_, rows_, length_;
  bool sum_;
  Buffer labels_, value_, count_;
};

// The first of the batch's examples with an input that is not finite, by its number in the source; −1: none.
std::int64_t not_finite_example(const Batch& batch, std::int64_t features);

}  // namespace onelogit
