// How many examples have their largest logit at the label, found while the blocks of classes pass by.
#pragma once

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/linear_loss/block.h"
#include "head/linear_loss.h"

namespace onelogit::cuda {

class Answers {
 public:
  explicit Answers(std::int64_t max_examples)
      : true_logit(static_cast<std::size_t>(max_examples), "true logits"),
        false_logit(static_cast<std::size_t>(max_examples), "largest false logits"),
        false_class(static_cast<std::size_t>(max_examples), "largest false logits") {}

  void begin(cudaStream_t stream, std::int64_t m) const {
    reset_largest_false(stream, m, false_logit.data(), false_class.data());
  }
  // Before the block's logits are replaced by anything.
  void add(cudaStream_t stream, const BlockLogits& block, bool largest_false) const {
    take_true_logits(stream, block, true_logit.data());
    if (largest_false) merge_largest_false(stream, block, false_logit.data(), false_class.data());
  }
  void count(cudaStream_t stream, const LinearLossArguments& arguments) const {
    if (arguments.correct != nullptr)
      count_correct_rows(stream, true_logit.data(), arguments.labels, false_logit.data(), false_class.data(),
                         arguments.m, arguments.correct);
  }

  DeviceBuffer<float> true_logit, false_logit;  // m
  DeviceBuffer<std::int64_t> false_class;       // m
};

}  // namespace onelogit::cuda
