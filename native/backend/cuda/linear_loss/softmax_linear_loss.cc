#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/softmax.h"

namespace onelogit::cuda {
namespace {

class SoftmaxLinearLoss final : public CudaLinearLoss {
 public:
  SoftmaxLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : CudaLinearLoss(queue),
        plan_(plan),
        blocks_(queue, plan),
        answers_(plan.max_examples),
        maximum_(static_cast<std::size_t>(plan.max_examples), "the normalisers of rows"),
        factor_(maximum_.size(), "the normalisers of rows"),
        label_gradient_(maximum_.size(), "the gradients at labels"),
        sum_(maximum_.size(), "the normalisers of rows") {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const RowStates states{maximum_.data(), sum_.data()};
    const bool counts = arguments.correct != nullptr;
    reset_row_states(queue_.stream, states, arguments.m);
    if (counts) answers_.begin(queue_.stream, arguments.m);
    blocks_.walk(arguments, classes, [&](const ClassBlock& block) {
      answers_.add(queue_.stream, block.logits, counts);
      merge_row_states(queue_.stream, block.logits, states);
    });
    if (plan_.loss.kind == LossKind::batch_cross_entropy)
      finish_rows_as_batch(queue_.stream, states, answers_.true_logit.data(), arguments.m, value, factor_.data(),
                           label_gradient_.data());
    else
      finish_rows(queue_.stream, states, answers_.true_logit.data(), arguments.m,
                  plan_.loss.kind == LossKind::self_normalization, plan_.loss.alpha, plan_.scale(arguments.m), value,
                  factor_.data(), label_gradient_.data());
    answers_.count(queue_.stream, arguments);
    if (arguments.gradient_hidden == nullptr && !classes.wanted()) return;
    blocks_.walk(arguments, classes, [&](const ClassBlock& block) {
      row_gradients(queue_.stream, block.logits, maximum_.data(), factor_.data(), label_gradient_.data());
      blocks_.add_gradients(arguments, block, classes);
    });
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<float> maximum_, factor_, label_gradient_;  // m
  DeviceBuffer<double> sum_;                               // m
};

}  // namespace

std::unique_ptr<CudaLinearLoss> make_softmax_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<SoftmaxLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
