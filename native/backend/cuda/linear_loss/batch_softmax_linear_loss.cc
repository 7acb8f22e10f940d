// batch-cross-entropy over blocks of classes, in one pass. The device keeps (M, S) of the batch and U = Σ_b P_b W_b,
// P_b = exp(Z_b − M), rescaled when M grows. What a block gives to d weight, V_b = P_bᵀ H, stays relative to the M of
// its time:
//
//   d hidden = U/S       d weight_b = exp(M_b − M)/S · V_b
//
// The labels' entries are left out of P and added at the end, as (p − 1/m) W_y and (p − 1/m) H_i: near convergence p −
// 1/m is all that is left of them.

#include <vector>

#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/softmax.h"

namespace onelogit::cuda {
namespace {

class BatchSoftmaxLinearLoss final : public CudaLinearLoss {
 public:
  BatchSoftmaxLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : CudaLinearLoss(queue),
        plan_(plan),
        blocks_(queue, plan),
        answers_(plan.max_examples),
        state_(1, "the state of a batch"),
        partial_maximum_(static_cast<std::size_t>(most_batch_partials), "partial maxima"),
        partial_sum_(static_cast<std::size_t>(most_batch_partials), "partial sums"),
        block_maximum_(static_cast<std::size_t>(blocks_.block_count()), "the maxima of blocks"),
        block_factor_(block_maximum_.size(), "the factors of blocks"),
        hidden_factor_(1, "the factor of the hidden gradient"),
        label_gradient_(static_cast<std::size_t>(plan.max_examples), "the gradients at labels"),
        row_(label_gradient_.size(), "the rows of labels"),
        collector_(plan.max_examples, plan.d, plan.k) {
    std::vector<std::int32_t> rows(row_.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int32_t>(i);
    check(cudaMemcpyAsync(row_.data(), rows.data(), rows.size() * sizeof(std::int32_t), cudaMemcpyHostToDevice,
                          queue.stream),
          "the rows of labels");
    check(cudaStreamSynchronize(queue.stream), "the rows of labels");  // `rows` goes
  }

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const cudaStream_t stream = queue_.stream;
    const std::int64_t m = arguments.m, d = arguments.d;
    const bool counts = arguments.correct != nullptr;
    reset_batch_state(stream, state_.data());
    if (counts) answers_.begin(stream, m);
    blocks_.walk(arguments, classes, [&](const ClassBlock& block) {
      answers_.add(stream, block.logits, counts);
      exponentiate_block(stream, block.logits, state_.data(), block_maximum_.data() + block.number,
                         partial_maximum_.data(), partial_sum_.data());
      if (arguments.gradient_hidden != nullptr && !block.first())
        rescale(stream, arguments.gradient_hidden, m * d, state_.data());
      blocks_.add_gradients(arguments, block, classes);
    });
    finish_batch(stream, state_.data(), answers_.true_logit.data(), m, block_maximum_.data(), blocks_.block_count(),
                 value, label_gradient_.data(), hidden_factor_.data(), block_factor_.data());
    answers_.count(stream, arguments);
    const SparseEntries labels{row_.data(), arguments.labels, label_gradient_.data(), 1, m};
    if (arguments.gradient_hidden != nullptr) {
      scale_runs(stream, arguments.gradient_hidden, m * d, m * d, hidden_factor_.data());
      add_sparse_to_hidden(stream, labels, m, d, arguments.weight, arguments.weight_type == WeightType::bfloat16,
                           arguments.gradient_hidden);
    }
    if (classes.wanted())
      classes.relative(arguments, {blocks_.block_classes(), block_factor_.data()},
                       collector_.collect(stream, labels, arguments.hidden, nullptr));
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<BatchState> state_;
  DeviceBuffer<float> partial_maximum_;
  DeviceBuffer<double> partial_sum_;
  DeviceBuffer<float> block_maximum_, block_factor_;  // of each block
  DeviceBuffer<float> hidden_factor_;
  DeviceBuffer<float> label_gradient_;  // m
  DeviceBuffer<std::int32_t> row_;      // 0, 1, 2 …
  RowCollector collector_;
};

}  // namespace

std::unique_ptr<CudaLinearLoss> make_batch_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<BatchSoftmaxLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
