// binary-cross-entropy and exact nce over blocks of classes: the gradient of an entry needs nothing from other blocks,
// so one pass gives everything. Values as in the unfused losses (backend/cpu/loss/logistic.cc).

#include <cmath>
#include <vector>

#include "backend/cpu/kernels/loss_logistic.h"
#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "loss/binary_cross_entropy.h"
#include "loss/nce.h"
#include "loss/noise.h"

namespace onelogit {
namespace {

// The walk that both share; `Entries` says what a block's entries and a label's entry come to.
template <class Entries>
class LogisticLinearLoss final : public CpuLinearLoss {
 public:
  explicit LogisticLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        entries_(plan),
        slice_sum_(static_cast<std::size_t>(blocks_.slices())),
        label_value_(static_cast<std::size_t>(plan.max_examples)) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const double scale = plan_.scale(arguments.m);
    for (SoftplusSum& sum : slice_sum_) sum = SoftplusSum{};
    blocks_.walk_and_count(arguments, classes, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { label_value_[i] = block.logits[i * block.classes + j]; });
      entries_.block(arguments.m, block, scale, slice_sum_[slice]);
      for_labels(arguments, block, [&](std::int64_t i, std::int64_t j) {
        block.logits[i * block.classes + j] =
            static_cast<float>(entries_.label_gradient(arguments.labels[i], label_value_[i]) * scale);
        label_value_[i] = entries_.label_value(arguments.labels[i], label_value_[i]);
      });
      blocks_.add_to_hidden(arguments, slice, block, 1.0f, block.first ? 0.0f : 1.0f);
      if (classes.wanted()) classes.block(arguments, slice, block);
    });
    blocks_.store_hidden_gradient(arguments, [](int) { return 1.0f; });

    // Σ max(z, 0) and the labels' −z first, apart from the small terms: they cancel exactly.
    double positive = 0, excess = 0;
    for (const SoftplusSum& sum : slice_sum_) {
      positive += sum.positive;
      excess += sum.excess;
    }
    for (std::int64_t i = 0; i < arguments.m; ++i) positive += label_value_[i];
    *value = (positive + excess) * scale;
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  Entries entries_;
  std::vector<SoftplusSum> slice_sum_;
  std::vector<double> label_value_;  // of each example: its true logit on the way, then what that adds to the value
};

class BinaryCrossEntropyEntries {
 public:
  explicit BinaryCrossEntropyEntries(const LinearLossPlan&) {}
  void block(std::int64_t m, const ClassBlock& block, double scale, SoftplusSum& sum) const {
    const SoftplusSum own =
        logistic_loss_kernels().unweighted(block.logits, m * block.classes, static_cast<float>(scale), block.logits);
    sum.positive += own.positive;
    sum.excess += own.excess;
  }
  static double label_gradient(std::int32_t, double logit) { return binary_cross_entropy_label_gradient(logit); }
  static double label_value(std::int32_t, double logit) { return -logit; }
};

class ExactNceEntries {
 public:
  explicit ExactNceEntries(const LinearLossPlan& plan) {
    const double ratio = noise_ratio(plan.loss, plan.k);
    for (const double q : noise_distribution(plan.loss, plan.k)) {
      weight_.push_back(static_cast<float>(ratio * q));
      log_weight_.push_back(static_cast<float>(std::log(ratio) + std::log(q)));
    }
  }
  void block(std::int64_t m, const ClassBlock& block, double scale, SoftplusSum& sum) const {
    for (std::int64_t i = 0; i < m; ++i) {
      float* row = block.logits + i * block.classes;
      sum.excess += logistic_loss_kernels().weighted(row, &weight_[block.begin], &log_weight_[block.begin],
                                                     block.classes, static_cast<float>(scale), row);
    }
  }
  double label_gradient(std::int32_t y, double logit) const {
    const double shifted = logit - static_cast<double>(log_weight_[y]);
    return static_cast<double>(weight_[y]) * sigmoid(shifted) + nce_label_gradient(shifted);
  }
  double label_value(std::int32_t y, double logit) const {
    return nce_label_value(logit - static_cast<double>(log_weight_[y]));
  }

 private:
  std::vector<float> weight_, log_weight_;  // w_j = t q_j, ln w_j
};

}  // namespace

std::unique_ptr<CpuLinearLoss> make_logistic_linear_loss(const LinearLossPlan& plan) {
  if (plan.loss.kind == LossKind::nce) return std::make_unique<LogisticLinearLoss<ExactNceEntries>>(plan);
  return std::make_unique<LogisticLinearLoss<BinaryCrossEntropyEntries>>(plan);
}

}  // namespace onelogit
