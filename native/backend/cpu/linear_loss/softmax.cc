// cross-entropy and self-normalization over blocks of classes: a row's (M_i, S_i) need every class, so the logits are
// computed twice: once for the normalisers, once for the gradient. 8mkd operations.

#include <vector>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "loss/self_normalization.h"

namespace onelogit {
namespace {

class SoftmaxLinearLoss final : public LinearLossKernel {
 public:
  explicit SoftmaxLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        row_state_(static_cast<std::size_t>(plan.max_examples)),
        slice_state_(static_cast<std::size_t>(plan.max_examples * blocks_.slices())),
        slice_maximum_(slice_state_.size()),
        slice_sum_(slice_state_.size()),
        true_logit_(static_cast<std::size_t>(plan.max_examples)) {}

  void run(const LinearLossArguments& arguments, double* value) override {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    const std::int64_t m = arguments.m;
    for (SoftmaxState& state : slice_state_) state = SoftmaxState{};
    blocks_.walk(arguments, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { true_logit_[i] = block.logits[i * block.classes + j]; });
      float* maximum = &slice_maximum_[slice * m];
      double* sum = &slice_sum_[slice * m];
      // The logits are not needed again in this pass: the exponentials may take their place.
      kernels.statistics(block.logits, block.classes, m, block.classes, maximum, sum, block.logits);
      for (std::int64_t i = 0; i < m; ++i)
        slice_state_[slice * m + i] = merge(slice_state_[slice * m + i], {maximum[i], sum[i]});
    });

    const double scale = plan_.scale(m);
    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      SoftmaxState state;
      for (int slice = 0; slice < blocks_.slices(); ++slice) state = merge(state, slice_state_[slice * m + i]);
      row_state_[i] = state;
      total += row_value(state, true_logit_[i]);
    }
    *value = total * scale;
    if (arguments.gradient_hidden == nullptr && arguments.gradient_weight == nullptr &&
        arguments.gradient_bias == nullptr)
      return;

    blocks_.walk(arguments, [&](int slice, const ClassBlock& block) {
      for (std::int64_t i = 0; i < m; ++i) {
        float* row = block.logits + i * block.classes;
        kernels.exponential(row, block.classes, row_state_[i].maximum, row_factor(row_state_[i], scale), row);
      }
      for_labels(arguments, block, [&](std::int64_t i, std::int64_t j) {
        block.logits[i * block.classes + j] = label_gradient(row_state_[i], true_logit_[i], scale);
      });
      blocks_.add_to_hidden(arguments, slice, block, 1.0f, block.first ? 0.0f : 1.0f);
      store_class_gradients(arguments, block);
    });
    blocks_.store_hidden_gradient(arguments, [](int) { return 1.0f; });
  }

 private:
  bool self_normalization() const { return plan_.loss.kind == LossKind::self_normalization; }
  double alpha() const { return plan_.loss.alpha; }
  double row_value(SoftmaxState state, float true_logit) const {
    return self_normalization() ? self_normalization_value(state, true_logit, alpha())
                                : cross_entropy_value(state, true_logit);
  }
  float row_factor(SoftmaxState state, double scale) const {
    return static_cast<float>(self_normalization() ? self_normalization_factor(state, alpha(), scale)
                                                   : cross_entropy_factor(state, scale));
  }
  float label_gradient(SoftmaxState state, float true_logit, double scale) const {
    return static_cast<float>(self_normalization()
                                  ? self_normalization_label_gradient(state, true_logit, alpha(), scale)
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

std::unique_ptr<LinearLossKernel> make_softmax_linear_loss(const LinearLossPlan& plan) {
  return std::make_unique<SoftmaxLinearLoss>(plan);
}

}  // namespace onelogit
