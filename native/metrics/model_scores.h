// The logits of a model by blocks: the trunk is run once and its output kept, n×d; a block is one product of it with
// rows of the last layer.
#pragma once

#include <vector>

#include "metrics/score_blocks.h"
#include "model/model.h"
#include "tensor/buffer.h"

namespace onelogit {

class ModelScores final : public ScoreBlocks {
 public:
  // `features`: n×d, the inputs of the last dense layer (Output::features). The model's tensors must not change while
  // this exists.
  ModelScores(Model& model, std::vector<float> features);
  std::int64_t examples() const override { return examples_; }
  std::int64_t classes() const override { return model_.classes(); }
  void choose(const std::int64_t* examples, std::int64_t count) override;
  float* scores(std::int64_t begin, std::int64_t classes) override;

 private:
  Model& model_;
  std::int64_t features_per_example_, examples_;
  std::vector<float> features_;
  std::int64_t chosen_ = 0;
  std::vector<float> chosen_features_, scores_;  // host memory
  Buffer input_, output_;                        // the same on the device
};

}  // namespace onelogit
