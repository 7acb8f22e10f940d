// cross-entropy and self-normalization over blocks of classes: a row's (M_i, S_i) need every class, so the logits are
// computed twice: once for the normalisers, once for the gradient. 8mkd operations. batch-cross-entropy is the same
// with the batch's (M, S) for every row, where its one-pass form would have to keep a gradient of the class matrix's
// size.

#include <vector>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "loss/batch_cross_entropy.h"
#include "loss/self_normalization.h"

namespace onelogit {
namespace {

class SoftmaxLinearLoss final : public CpuLinearLoss {
 public:
  explicit SoftmaxLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        row_state_(static_cast<std::size_t>(plan.max_examples)),
        slice_state_(static_cast<std::size_t>(plan.max_examples * blocks_.slices())),
        slice_maximum_(slice_state_.size()),
        slice_sum_(slice_state_.size()),
        true_logit_(static_cast<std::size_t>(plan.max_examples)) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    const std::int64_t m = arguments.m;
    for (SoftmaxState& state : slice_state_) state = SoftmaxState{};
    blocks_.walk_and_count(arguments, classes, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { true_logit_[i] = block.logits[i * block.classes + j]; });
      float* maximum = &slice_maximum_[slice * m];
      double* sum = &slice_sum_[slice * m];
      // The logits are not needed again in this pass: the exponentials may take their place.
      kernels.statistics(block.logits, block.classes, m, block.classes, maximum, sum, block.logits);
      for (std::int64_t i = 0; i < m; ++i)
        slice_state_[slice * m + i] = merge(slice_state_[slice * m + i], {maximum[i], sum[i]});
    });

    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      SoftmaxState state;
      for (int slice = 0; slice < blocks_.slices(); ++slice) state = merge(state, slice_state_[slice * m + i]);
      row_state_[i] = state;
      total += row_value(state, true_logit_[i]);
    }
    *value = kind() == LossKind::batch_cross_entropy ? batch_value(m) : total * plan_.scale(m);
    if (arguments.gradient_hidden == nullptr && !classes.wanted()) return;

    blocks_.walk(arguments, classes, [&](int slice, const ClassBlock& block) {
      for (std::int64_t i = 0; i < m; ++i) {
        float* row = block.logits + i * block.classes;
        kernels.exponential(row, block.classes, row_state_[i].maximum, row_factor(row_state_[i], m), row);
      }
      for_labels(arguments, block, [&](std::int64_t i, std::int64_t j) {
        block.logits[i * block.classes + j] = label_gradient(row_state_[i], true_logit_[i], m);
      });
      blocks_.add_to_hidden(arguments, slice, block, 1.0f, block.first ? 0.0f : 1.0f);
      if (classes.wanted()) classes.block(arguments, slice, block);
    });
    blocks_.store_hidden_gradient(arguments, [](int) { return 1.0f; });
  }

 private:
  // The batch's normaliser in place of every row's.
  double batch_value(std::int64_t m) {
    SoftmaxState batch;
    for (std::int64_t i = 0; i < m; ++i) batch = merge(batch, row_state_[i]);
    double gap = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      row_state_[i] = batch;
      gap += static_cast<double>(batch.maximum) - static_cast<double>(true_logit_[i]);
    }
    return batch_cross_entropy_value(batch, gap, static_cast<double>(m));
  }
  LossKind kind() const { return plan_.loss.kind; }
  double alpha() const { return plan_.loss.alpha; }
  double row_value(SoftmaxState state, float true_logit) const {
    return kind() == LossKind::self_normalization ? self_normalization_value(state, true_logit, alpha())
                                                  : cross_entropy_value(state, true_logit);
  }
  float row_factor(SoftmaxState state, std::int64_t m) const {
    const double scale = plan_.scale(m);
    return static_cast<float>(kind() == LossKind::self_normalization ? self_normalization_factor(state, alpha(), scale)
                              : kind() == LossKind::batch_cross_entropy ? cross_entropy_factor(state, 1.0)
                                                                        : cross_entropy_factor(state, scale));
  }
  float label_gradient(SoftmaxState state, float true_logit, std::int64_t m) const {
    const double scale = plan_.scale(m);
    return static_cast<float>(kind() == LossKind::self_normalization
                                  ? self_normalization_label_gradient(state, true_logit, alpha(), scale)
                              : kind() == LossKind::batch_cross_entropy
                                  ? batch_cross_entropy_label_gradient(state, true_logit, static_cast<double>(m))
                                  : cross_entropy_label_gradient(state, true_logit, scale));
  }

  LinearLossPlan plan_;
  ClassBlocks blocks_;
  std::vector<SoftmaxState> row_state_;    // m: over all classes
  std::vector<SoftmaxState> slice_state_;  // slices×m: over the slice's classes so far
  std::vector<float> slice_maximum_;       // slices×m: of the block at hand
  std::vector<double> slice_sum_;
  std::vector<float> true_logit_;
};

}  // namespace

std::unique_ptr<CpuLinearLoss> make_softmax_linear_loss(const LinearLossPlan& plan) {
  return std::make_unique<SoftmaxLinearLoss>(plan);
}

}  // namespace onelogit
