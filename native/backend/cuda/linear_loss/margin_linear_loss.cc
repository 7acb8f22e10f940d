#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/margin.h"

namespace onelogit::cuda {
namespace {

class MarginLinearLoss final : public LinearLossKernel {
 public:
  MarginLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : queue_(queue),
        plan_(plan),
        blocks_(queue, plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        answers_(plan.max_examples),
        row_(static_cast<std::size_t>(2 * plan.max_examples + 2), "entries of the gradient"),
        class_(row_.size(), "entries of the gradient"),
        coefficient_(row_.size(), "entries of the gradient"),
        undefined_(1, "entries of the gradient") {}

  void run(const LinearLossArguments& arguments, double* value) override {
    const cudaStream_t stream = queue_.stream;
    const std::int64_t m = arguments.m, d = arguments.d, k = arguments.k;
    answers_.begin(stream, m);
    blocks_.walk(arguments, [&](const ClassBlock& block) { answers_.add(stream, block.logits, true); });
    finish_margins(stream, answers_.true_logit.data(), arguments.labels, answers_.false_logit.data(),
                   answers_.false_class.data(), m, plan_.loss.margin, plan_.loss.kind == LossKind::batch_max_margin,
                   plan_.scale(m), value, {row_.data(), class_.data(), coefficient_.data()}, undefined_.data());
    answers_.count(stream, arguments);
    const SparseEntries entries{row_.data(), class_.data(), coefficient_.data(), 2, 2 * m + 2};
    // 0, or NaN: a NaN logit makes its row's whole gradient NaN, and with it every class's.
    if (arguments.gradient_hidden != nullptr) {
      fill(stream, arguments.gradient_hidden, m * d, undefined_.data());
      add_sparse_to_hidden(stream, entries, m, d, arguments.weight, arguments.weight_type == WeightType::bfloat16,
                           arguments.gradient_hidden);
    }
    if (arguments.gradient_weight != nullptr) fill(stream, arguments.gradient_weight, k * d, undefined_.data());
    if (arguments.gradient_bias != nullptr) fill(stream, arguments.gradient_bias, k, undefined_.data());
    add_sparse_to_classes(stream, entries, d, arguments.hidden, arguments.gradient_weight, arguments.gradient_bias);
  }

 private:
  Queue& queue_;
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<std::int32_t> row_, class_;  // 2m + 2
  DeviceBuffer<float> coefficient_, undefined_;
};

}  // namespace

std::unique_ptr<LinearLossKernel> make_margin_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<MarginLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
