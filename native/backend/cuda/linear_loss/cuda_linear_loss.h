// The fused last layers on CUDA, by the number of passes over the classes that their losses need. The mathematics is
// that of backend/cpu/linear_loss.
#pragma once

#include <memory>

#include "backend/cuda/queue.h"
#include "head/linear_loss.h"
#include "loss/loss.h"

namespace onelogit::cuda {

// What a kernel is planned for.
struct LinearLossPlan {
  LossSpec loss;
  std::int64_t max_examples, d, k;
  std::size_t workspace_bytes;
  bool block_rows = false;  // the blocks come with room for their gradient
  double scale(std::int64_t m) const { return loss.reduction == Reduction::mean ? 1.0 / static_cast<double>(m) : 1.0; }
};

class ClassGradients;

// A fused last layer whose gradient of the class matrix may go anywhere.
class CudaLinearLoss : public LinearLossKernel {
 public:
  explicit CudaLinearLoss(Queue& queue) : queue_(queue) {}
  void run(const LinearLossArguments& arguments, double* value) final;
  // As run(); the class gradients go to `classes` instead of to the arguments' arrays.
  virtual void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) = 0;

 protected:
  Queue& queue_;
};

// binary-cross-entropy, nce with the exact expectation. One pass, 6mkd operations.
std::unique_ptr<CudaLinearLoss> make_logistic_linear_loss(Queue& queue, const LinearLossPlan& plan);
// cross-entropy, self-normalization: a normaliser per row; batch-cross-entropy without anything kept between its
// passes. Two passes, 8mkd.
std::unique_ptr<CudaLinearLoss> make_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan);
// batch-cross-entropy: one scalar normaliser, kept relative to a running maximum. One pass, 6mkd.
std::unique_ptr<CudaLinearLoss> make_batch_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan);
// max-margin, batch-max-margin: one forward pass, then a few rows. 2mkd.
std::unique_ptr<CudaLinearLoss> make_margin_linear_loss(Queue& queue, const LinearLossPlan& plan);

// nce with num_sampled draws: the rows of labels and draws alone. 6mSd.
std::unique_ptr<CudaLinearLoss> make_sampled_nce_linear_loss(Queue& queue, const LinearLossPlan& plan);

// The one for a loss. With `recompute`, nothing of the class matrix's size is kept.
std::unique_ptr<CudaLinearLoss> make_cuda_linear_loss(Queue& queue, const LinearLossPlan& plan,
                                                      ClassGradientMemory memory = ClassGradientMemory::store);

}  // namespace onelogit::cuda
