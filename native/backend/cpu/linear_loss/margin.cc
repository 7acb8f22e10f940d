// max-margin and batch-max-margin over blocks of classes: one forward pass finds every row's largest false logit; the
// gradient is at most two entries a row, and two more for the batch. 2mkd operations.

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "backend/cpu/kernels/loss_margin.h"
#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/label_rows.h"
#include "loss/batch_max_margin.h"

namespace onelogit {
namespace {

void fill(float* values, std::int64_t count, float value) {
  if (values == nullptr) return;
  parallel_for(count, 1 << 16, 16,
               [&](std::int64_t begin, std::int64_t end) { std::fill(values + begin, values + end, value); });
}

class MarginLinearLoss final : public LinearLossKernel {
 public:
  explicit MarginLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        blocks_(plan.max_examples, plan.d, plan.k, plan.workspace_bytes),
        largest_false_(static_cast<std::size_t>(plan.max_examples * blocks_.slices())),
        value_(largest_false_.size()),
        column_(largest_false_.size()),
        row_hinge_(static_cast<std::size_t>(plan.max_examples)),
        row_false_(static_cast<std::size_t>(plan.max_examples)),
        true_logit_(static_cast<std::size_t>(plan.max_examples)) {}

  void run(const LinearLossArguments& arguments, double* value) override {
    const std::int64_t m = arguments.m;
    for (ArgMax& state : largest_false_) state = ArgMax{};
    blocks_.walk(arguments, [&](int slice, const ClassBlock& block) {
      for_labels(arguments, block,
                 [&](std::int64_t i, std::int64_t j) { true_logit_[i] = block.logits[i * block.classes + j]; });
      float* largest = &value_[slice * m];
      std::int32_t* column = &column_[slice * m];
      margin_loss_kernels().largest_false(block.logits, block.classes, m, block.classes, arguments.labels, block.begin,
                                          largest, column);
      for (std::int64_t i = 0; i < m; ++i) {
        const std::int64_t class_id = column[i] < 0 ? -1 : block.begin + column[i];
        ArgMax& state = largest_false_[slice * m + i];
        state = merge(state, {largest[i], class_id});
      }
    });

    const double margin = plan_.loss.margin, scale = plan_.scale(m);
    BatchMargin batch;  // its index is i·k + j
    double total = 0;
    bool defined = true;
    for (std::int64_t i = 0; i < m; ++i) {
      ArgMax row;
      for (int slice = 0; slice < blocks_.slices(); ++slice) row = merge(row, largest_false_[slice * m + i]);
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

    // A NaN logit makes its row's whole gradient NaN, and with it every class's.
    const float start = defined ? 0.0f : std::numeric_limits<float>::quiet_NaN();
    fill(arguments.gradient_hidden, m * arguments.d, start);
    fill(arguments.gradient_weight, arguments.k * arguments.d, start);
    fill(arguments.gradient_bias, arguments.k, start);
    if (!defined) return;
    const auto unit = static_cast<float>(scale);
    add_entries(arguments, [&](const auto& add) {
      for (std::int64_t i = 0; i < m; ++i) {
        if (!(row_hinge_[i] > 0)) continue;
        add(i, arguments.labels[i], -unit);
        add(i, row_false_[i], unit);
      }
      if (batch_hinge > 0) {
        const std::int64_t i = batch.smallest_true_row;
        add(i, arguments.labels[i], -unit);
        add(batch.largest_false.index / arguments.k, batch.largest_false.index % arguments.k, unit);
      }
    });
  }

 private:
  LinearLossPlan plan_;
  ClassBlocks blocks_;
  std::vector<ArgMax> largest_false_;  // slices×m: over the slice's classes so far; index is the class
  std::vector<float> value_;           // slices×m: of the block at hand
  std::vector<std::int32_t> column_;
  std::vector<double> row_hinge_;
  std::vector<std::int64_t> row_false_;
  std::vector<float> true_logit_;
};

}  // namespace

std::unique_ptr<LinearLossKernel> make_margin_linear_loss(const LinearLossPlan& plan) {
  return std::make_unique<MarginLinearLoss>(plan);
}

}  // namespace onelogit
