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
  double scale(std::int64_t m) const { return loss.reduction == Reduction::mean ? 1.0 / static_cast<double>(m) : 1.0; }
};

// binary-cross-entropy, nce with the exact expectation. One pass, 6mkd operations.
std::unique_ptr<LinearLossKernel> make_logistic_linear_loss(Queue& queue, const LinearLossPlan& plan);
// cross-entropy, self-normalization: a normaliser per row. Two passes, 8mkd.
std::unique_ptr<LinearLossKernel> make_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan);
// batch-cross-entropy: one scalar normaliser, kept relative to a running maximum. One pass, 6mkd.
std::unique_ptr<LinearLossKernel> make_batch_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan);
// max-margin, batch-max-margin: one forward pass, then a few rows. 2mkd.
std::unique_ptr<LinearLossKernel> make_margin_linear_loss(Queue& queue, const LinearLossPlan& plan);

}  // namespace onelogit::cuda
