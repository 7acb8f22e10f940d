// The fused last layers, by the number of passes over the classes that their losses need.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "backend/cpu/linear_loss/class_gradients.h"
#include "head/linear_loss.h"
#include "loss/loss.h"

namespace onelogit {

// What a kernel is planned for.
struct LinearLossPlan {
  LossSpec loss;
  std::int64_t max_examples, d, k;
  std::size_t workspace_bytes;
  double scale(std::int64_t m) const { return loss.reduction == Reduction::mean ? 1.0 / static_cast<double>(m) : 1.0; }
};

// A fused last layer whose gradient of the class matrix may go anywhere.
class CpuLinearLoss : public LinearLossKernel {
 public:
  void run(const LinearLossArguments& arguments, double* value) final {
    StoredClassGradients classes(arguments);
    pass(arguments, classes, value);
  }
  // As run(); the class gradients go to `classes` instead of to the arguments' arrays.
  virtual void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) = 0;
};

// binary-cross-entropy, nce with the exact expectation: an entry's gradient needs nothing but itself. One pass, 6mkd.
std::unique_ptr<CpuLinearLoss> make_logistic_linear_loss(const LinearLossPlan& plan);
// batch-cross-entropy: one scalar normaliser, so the gradients are kept relative to a running maximum. One pass, 6mkd.
std::unique_ptr<CpuLinearLoss> make_batch_softmax_linear_loss(const LinearLossPlan& plan);
// cross-entropy, self-normalization: a normaliser per row; batch-cross-entropy without anything kept between its
// passes. Two passes, 8mkd.
std::unique_ptr<CpuLinearLoss> make_softmax_linear_loss(const LinearLossPlan& plan);
// max-margin, batch-max-margin: one forward pass, then a few rows. 2mkd.
std::unique_ptr<CpuLinearLoss> make_margin_linear_loss(const LinearLossPlan& plan);
// nce with S draws: O(m·S·d), whatever k is.
std::unique_ptr<CpuLinearLoss> make_sampled_nce_linear_loss(const LinearLossPlan& plan);

// The one for a loss. With `recompute`, nothing of the class matrix's size is kept.
std::unique_ptr<CpuLinearLoss> make_cpu_linear_loss(const LinearLossPlan& plan,
                                                    ClassGradientMemory memory = ClassGradientMemory::store);

}  // namespace onelogit
