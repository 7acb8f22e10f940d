// max-margin and batch-max-margin over blocks of classes: one forward pass finds every row's largest false logit; the
// gradient is at most two entries a row, and two more for the batch. 2mkd operations.

#include <algorithm>
#include <limits>
#include <vector>

#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/sparse_rows.h"
#include "loss/batch_max_margin.h"

namespace onelogit {
namespace {

class MarginLinearLoss final : public CpuLinearLoss {
 public:
  explicit MarginLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        largest_false_(plan.max_examples, blocks_.slices()),
        row_hinge_(static_cast<std::size_t>(plan.max_examples)),
        row_false_(static_cast<std::size_t>(plan.max_examples)),
        true_logit_(static_cast<std::size_t>(plan.max_examples)) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const std::int64_t m = arguments.m;
    largest_false_.clear();
    blocks_.walk(arguments, classes, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { true_logit_[i] = block.logits[i * block.classes + j]; });
      largest_false_.add(slice, block.logits, m, block.classes, arguments.labels, block.begin);
    });

    const double margin = plan_.loss.margin, scale = plan_.scale(m);
    BatchMargin batch;  // its index is i·k + j
    double total = 0;
    bool defined = true;
    std::int64_t correct = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      const ArgMax row = largest_false_.row(i, m);
      correct += is_correct(true_logit_[i], arguments.labels[i], row) ? 1 : 0;
      row_false_[i] = row.index;
      row_hinge_[i] = max_margin_hinge(margin, true_logit_[i], row.value);
      total += row_hinge_[i];
      batch.add_row(i, true_logit_[i], {row.value, row.index < 0 ? -1 : i * arguments.k + row.index});
      defined = defined && row_hinge_[i] == row_hinge_[i];
    }
    double batch_hinge = 0;
    if (plan_.loss.kind == LossKind::batch_max_margin) {
      batch_hinge = max_margin_hinge(margin, batch.smallest_true, batch.largest_false.value);
      total += batch_hinge;
    }
    *value = total * scale;

    if (arguments.correct != nullptr) *arguments.correct = correct;

    if (arguments.gradient_hidden != nullptr) {
      // A NaN logit makes its row's whole gradient NaN, and with it every class's.
      const float start = defined ? 0.0f : std::numeric_limits<float>::quiet_NaN();
      std::fill_n(arguments.gradient_hidden, m * arguments.d, start);
    }
    if (!defined) {
      if (classes.wanted()) classes.undefined(arguments);
      return;
    }
    const auto unit = static_cast<float>(scale);
    entries_.clear();
    for (std::int64_t i = 0; i < m; ++i) {
      if (!(row_hinge_[i] > 0)) continue;
      entries_.push_back({i, arguments.labels[i], -unit});
      entries_.push_back({i, row_false_[i], unit});
    }
    if (batch_hinge > 0) {
      const std::int64_t i = batch.smallest_true_row;
      entries_.push_back({i, arguments.labels[i], -unit});
      entries_.push_back({batch.largest_false.index / arguments.k, batch.largest_false.index % arguments.k, unit});
    }
    add_to_hidden(arguments, entries_);
    if (!classes.wanted()) return;
    collect_rows(arguments, entries_, rows_);
    classes.rows(arguments, rows_);
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  LargestFalse largest_false_;
  std::vector<double> row_hinge_;
  std::vector<std::int64_t> row_false_;
  std::vector<float> true_logit_;
  std::vector<LogitEntry> entries_;
  SparseRows rows_;
};

}  // namespace

std::unique_ptr<CpuLinearLoss> make_margin_linear_loss(const LinearLossPlan& plan) {
  return std::make_unique<MarginLinearLoss>(plan);
}

}  // namespace onelogit
