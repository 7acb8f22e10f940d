#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/softmax.h"

namespace onelogit::cuda {
namespace {

class SoftmaxLinearLoss final : public LinearLossKernel {
 public:
  SoftmaxLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : queue_(queue),
        plan_(plan),
        blocks_(queue, plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        answers_(plan.max_examples),
        maximum_(static_cast<std::size_t>(plan.max_examples), "the normalisers of rows"),
        factor_(maximum_.size(), "the normalisers of rows"),
        label_gradient_(maximum_.size(), "the gradients at labels"),
        sum_(maximum_.size(), "the normalisers of rows") {}

  void run(const LinearLossArguments& arguments, double* value) override {
    const RowStates states{maximum_.data(), sum_.data()};
    const bool counts = arguments.correct != nullptr;
    reset_row_states(queue_.stream, states, arguments.m);
    if (counts) answers_.begin(queue_.stream, arguments.m);
    blocks_.walk(arguments, [&](const ClassBlock& block) {
      answers_.add(queue_.stream, block.logits, counts);
      merge_row_states(queue_.stream, block.logits, states);
    });
    finish_rows(queue_.stream, states, answers_.true_logit.data(), arguments.m,
                plan_.loss.kind == LossKind::self_normalization, plan_.loss.alpha, plan_.scale(arguments.m), value,
                factor_.data(), label_gradient_.data());
    answers_.count(queue_.stream, arguments);
    if (arguments.gradient_hidden == nullptr && arguments.gradient_weight == nullptr &&
        arguments.gradient_bias == nullptr)
      return;
    blocks_.walk(arguments, [&](const ClassBlock& block) {
      row_gradients(queue_.stream, block.logits, maximum_.data(), factor_.data(), label_gradient_.data());
      blocks_.add_to_hidden(arguments, block);
      blocks_.store_class_gradients(arguments, block);
    });
  }

 private:
  Queue& queue_;
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<float> maximum_, factor_, label_gradient_;  // m
  DeviceBuffer<double> sum_;                               // m
};

}  // namespace

std::unique_ptr<LinearLossKernel> make_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<SoftmaxLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
