// batch-cross-entropy over blocks of classes, in one pass. Block b leaves its maximum M_b and P_b = exp(Z_b − M_b); a
// slice keeps (M, S) and U = Σ_b exp(M_b − M) P_b W_b, rescaled when M grows by the factors of the product itself. What
// a block gives to d weight, V_b = P_bᵀ H, is stored relative to M_b and scaled once the batch's (M, S) are known:
//
//   d hidden = exp(M_slice − M)/S · U_slice, summed       d weight_b = exp(M_b − M)/S · V_b
//
// The labels' entries are left out of P and added at the end in float64, as (p − 1/m) W_y and (p − 1/m) H_i: near
// convergence p − 1/m is all that is left of them.

#include <cmath>
#include <utility>
#include <vector>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/sparse_rows.h"
#include "loss/batch_cross_entropy.h"

namespace onelogit {
namespace {

class BatchSoftmaxLinearLoss final : public CpuLinearLoss {
 public:
  explicit BatchSoftmaxLinearLoss(const LinearLossPlan& plan)
      : blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        block_state_(static_cast<std::size_t>(blocks_.block_count())),
        block_classes_(static_cast<std::size_t>(blocks_.block_count())),
        slice_state_(static_cast<std::size_t>(blocks_.slices())),
        true_logit_(static_cast<std::size_t>(plan.max_examples)) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    for (SoftmaxState& state : block_state_) state = SoftmaxState{};
    for (SoftmaxState& state : slice_state_) state = SoftmaxState{};
    blocks_.walk_and_count(arguments, classes, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { true_logit_[i] = block.logits[i * block.classes + j]; });
      const std::int64_t size = arguments.m * block.classes;
      SoftmaxState own;
      kernels.statistics(block.logits, size, 1, size, &own.maximum, &own.sum, block.logits);
      for_labels(arguments, block, [&](std::int64_t i, std::int64_t j) { block.logits[i * block.classes + j] = 0; });
      block_state_[block.number] = own;
      block_classes_[block.number] = {block.begin, block.classes};
      const SoftmaxState merged = merge(slice_state_[slice], own);
      blocks_.add_to_hidden(arguments, slice, block, ratio(own.maximum, merged.maximum),
                            block.first ? 0.0f : ratio(slice_state_[slice].maximum, merged.maximum));
      slice_state_[slice] = merged;
      if (classes.wanted()) classes.block(arguments, slice, block);
    });

    SoftmaxState batch;
    for (const SoftmaxState& state : slice_state_) batch = merge(batch, state);
    const auto examples = static_cast<double>(arguments.m);
    double gap = 0;
    for (std::int64_t i = 0; i < arguments.m; ++i)
      gap += static_cast<double>(batch.maximum) - static_cast<double>(true_logit_[i]);
    *value = batch_cross_entropy_value(batch, gap, examples);

    blocks_.store_hidden_gradient(
        arguments, [&](int slice) { return static_cast<float>(probability(slice_state_[slice].maximum, batch)); });
    std::vector<float> label_gradient(static_cast<std::size_t>(arguments.m));
    for (std::int64_t i = 0; i < arguments.m; ++i)
      label_gradient[static_cast<std::size_t>(i)] =
          static_cast<float>(batch_cross_entropy_label_gradient(batch, true_logit_[i], examples));
    entries_.clear();
    for (std::int64_t i = 0; i < arguments.m; ++i)
      entries_.push_back({i, arguments.labels[i], label_gradient[static_cast<std::size_t>(i)]});
    add_to_hidden(arguments, entries_);
    if (!classes.wanted()) return;
    std::vector<RelativeBlock> relative;
    for (std::size_t number = 0; number < block_state_.size(); ++number)
      // Empty for the numbers that a short last slice leaves unused.
      if (block_classes_[number].classes > 0)
        relative.push_back({block_classes_[number].begin, block_classes_[number].classes,
                            static_cast<float>(probability(block_state_[number].maximum, batch))});
    classes.relative(arguments, std::move(relative), entries_);
  }

 private:
  struct Range {
    std::int64_t begin, classes;
  };

  static float ratio(float from, float to) {
    // Equality first: −∞ − (−∞) is not a number.
    return from == to ? 1.0f : static_cast<float>(std::exp(static_cast<double>(from) - static_cast<double>(to)));
  }

  ClassBlocks blocks_;
  std::vector<SoftmaxState> block_state_;
  std::vector<Range> block_classes_;
  std::vector<SoftmaxState> slice_state_;
  std::vector<float> true_logit_;
  std::vector<LogitEntry> entries_;
};

}  // namespace

std::unique_ptr<CpuLinearLoss> make_batch_softmax_linear_loss(const LinearLossPlan& plan) {
  return std::make_unique<BatchSoftmaxLinearLoss>(plan);
}

}  // namespace onelogit
