#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/margin.h"

namespace onelogit::cuda {
namespace {

class MarginLinearLoss final : public CudaLinearLoss {
 public:
  MarginLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : CudaLinearLoss(queue),
        plan_(plan),
        blocks_(queue, plan),
        answers_(plan.max_examples),
        row_(static_cast<std::size_t>(2 * plan.max_examples + 2), "entries of the gradient"),
        class_(row_.size(), "entries of the gradient"),
        coefficient_(row_.size(), "entries of the gradient"),
        undefined_(1, "entries of the gradient"),
        collector_(2 * plan.max_examples + 2, plan.d, plan.k) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const cudaStream_t stream = queue_.stream;
    const std::int64_t m = arguments.m, d = arguments.d;
    answers_.begin(stream, m);
    blocks_.walk(arguments, classes, [&](const ClassBlock& block) { answers_.add(stream, block.logits, true); });
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
    if (classes.wanted())
      classes.rows(arguments, collector_.collect(stream, entries, arguments.hidden, undefined_.data()),
                   undefined_.data());
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<std::int32_t> row_, class_;  // 2m + 2
  DeviceBuffer<float> coefficient_, undefined_;
  RowCollector collector_;
};

}  // namespace

std::unique_ptr<CudaLinearLoss> make_margin_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<MarginLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
