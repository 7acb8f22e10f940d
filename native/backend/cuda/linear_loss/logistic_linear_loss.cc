#include <cmath>
#include <vector>

#include "backend/cuda/linear_loss/answers.h"
#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/logistic.h"
#include "loss/noise.h"

namespace onelogit::cuda {
namespace {

class LogisticLinearLoss final : public CudaLinearLoss {
 public:
  LogisticLinearLoss(Queue& queue, const LinearLossPlan& plan)
      : CudaLinearLoss(queue),
        plan_(plan),
        blocks_(queue, plan),
        answers_(plan.max_examples),
        partial_(static_cast<std::size_t>(most_logistic_partials), "partial sums") {
    if (plan.loss.kind != LossKind::nce) return;
    std::vector<float> weight, log_weight;
    const double ratio = noise_ratio(plan.loss, plan.k);
    for (const double q : noise_distribution(plan.loss, plan.k)) {
      weight.push_back(static_cast<float>(ratio * q));
      log_weight.push_back(static_cast<float>(std::log(ratio) + std::log(q)));
    }
    weight_ = device_copy(queue.stream, weight.data(), weight.size(), "the noise distribution");
    log_weight_ = device_copy(queue.stream, log_weight.data(), log_weight.size(), "the noise distribution");
  }

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const double scale = plan_.scale(arguments.m);
    const bool counts = arguments.correct != nullptr;
    check(cudaMemsetAsync(value, 0, sizeof(double), queue_.stream), "a value");
    if (counts) answers_.begin(queue_.stream, arguments.m);
    blocks_.walk(arguments, classes, [&](const ClassBlock& block) {
      if (counts) answers_.add(queue_.stream, block.logits, true);
      const std::int64_t partials = logistic_block(queue_.stream, block.logits, weight_.data(), log_weight_.data(),
                                                   static_cast<float>(scale), partial_.data());
      add_partial_sums(queue_.stream, partial_.data(), partials, value);
      blocks_.add_gradients(arguments, block, classes);
    });
    scale_value(queue_.stream, value, scale);
    answers_.count(queue_.stream, arguments);
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Answers answers_;
  DeviceBuffer<double> partial_;
  DeviceBuffer<float> weight_, log_weight_;  // nce: t q_j and its logarithm
};

}  // namespace

std::unique_ptr<CudaLinearLoss> make_logistic_linear_loss(Queue& queue, const LinearLossPlan& plan) {
  return std::make_unique<LogisticLinearLoss>(queue, plan);
}

}  // namespace onelogit::cuda
