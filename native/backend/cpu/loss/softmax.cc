// cross-entropy and self-normalization: a row's (M, S) first, then its gradient. A row that fits a tile is done while
// it is in cache and its exponentials are taken once; a long row is cut into parts whose states merge, and then walked
// a second time.

#include <vector>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/loss/families.h"
#include "backend/cpu/loss/tiles.h"
#include "loss/cross_entropy.h"
#include "loss/self_normalization.h"

namespace onelogit {
namespace {

class SoftmaxLoss final : public LossKernel {
 public:
  SoftmaxLoss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : self_normalization_(spec.kind == LossKind::self_normalization),
        alpha_(spec.alpha),
        mean_(spec.reduction == Reduction::mean),
        classes_(classes) {
    const auto parts = static_cast<std::size_t>(max_examples * Tiling(max_examples, classes).parts_of_row());
    maximum_.resize(parts);
    sum_.resize(parts);
    row_state_.resize(static_cast<std::size_t>(max_examples));
    row_value_.resize(static_cast<std::size_t>(max_examples));
  }

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t, double* value,
                          float* gradient) override {
    const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
    const Tiling tiling(m, classes_);
    if (tiling.parts_of_row() == 1) {
      whole_rows(tiling, logits, labels, scale, gradient);
    } else {
      parts_of_rows(tiling, logits, labels, m, scale, gradient);
    }
    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) total += row_value_[i];
    *value = total * scale;
  }

 private:
  double row_value(SoftmaxState state, float true_logit) const {
    return self_normalization_ ? self_normalization_value(state, true_logit, alpha_)
                               : cross_entropy_value(state, true_logit);
  }
  float row_factor(SoftmaxState state, double scale) const {
    return static_cast<float>(self_normalization_ ? self_normalization_factor(state, alpha_, scale)
                                                  : cross_entropy_factor(state, scale));
  }
  float label_gradient(SoftmaxState state, float true_logit, double scale) const {
    return static_cast<float>(self_normalization_ ? self_normalization_label_gradient(state, true_logit, alpha_, scale)
                                                  : cross_entropy_label_gradient(state, true_logit, scale));
  }

  void whole_rows(const Tiling& tiling, const float* logits, const std::int32_t* labels, double scale,
                  float* gradient) {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    parallel_tiles(tiling.count(), [&](std::int64_t t) {
      const Tile tile = tiling[t];
      const std::int64_t first = tile.row_begin * classes_;
      kernels.statistics(logits + first, classes_, tile.rows(), classes_, &maximum_[tile.row_begin],
                         &sum_[tile.row_begin], gradient == nullptr ? nullptr : gradient + first);
      for (std::int64_t i = tile.row_begin; i < tile.row_end; ++i) {
        const SoftmaxState state{maximum_[i], sum_[i]};
        const float true_logit = logits[i * classes_ + labels[i]];
        row_value_[i] = row_value(state, true_logit);
        if (gradient == nullptr) continue;
        float* row = gradient + i * classes_;
        kernels.scale(row, classes_, row_factor(state, scale));
        row[labels[i]] = label_gradient(state, true_logit, scale);
      }
    });
  }

  void parts_of_rows(const Tiling& tiling, const float* logits, const std::int32_t* labels, std::int64_t m,
                     double scale, float* gradient) {
    const SoftmaxLossKernels& kernels = softmax_loss_kernels();
    parallel_tiles(tiling.count(), [&](std::int64_t t) {
      const Tile tile = tiling[t];
      kernels.statistics(logits + tile.row_begin * classes_ + tile.column_begin, classes_, 1, tile.columns(),
                         &maximum_[t], &sum_[t], nullptr);
    });
    for (std::int64_t i = 0; i < m; ++i) {
      SoftmaxState state;
      for (std::int64_t t = i * tiling.parts_of_row(); t < (i + 1) * tiling.parts_of_row(); ++t)
        state = merge(state, {maximum_[t], sum_[t]});
      row_state_[i] = state;
      row_value_[i] = row_value(state, logits[i * classes_ + labels[i]]);
    }
    if (gradient == nullptr) return;
    parallel_tiles(tiling.count(), [&](std::int64_t t) {
      const Tile tile = tiling[t];
      const std::int64_t i = tile.row_begin, first = i * classes_ + tile.column_begin;
      const SoftmaxState state = row_state_[i];
      kernels.exponential(logits + first, tile.columns(), state.maximum, row_factor(state, scale), gradient + first);
      if (tile.holds(labels[i])) {
        const std::int64_t at = i * classes_ + labels[i];
        gradient[at] = label_gradient(state, logits[at], scale);
      }
    });
  }

  bool self_normalization_;
  double alpha_;
  bool mean_;
  std::int64_t classes_;
  std::vector<float> maximum_;  // of each row, or of each part of a row
  std::vector<double> sum_;
  std::vector<SoftmaxState> row_state_;
  std::vector<double> row_value_;
};

}  // namespace

std::unique_ptr<LossKernel> make_cpu_softmax_loss(const LossSpec& spec, std::int64_t classes,
                                                  std::int64_t max_examples) {
  return std::make_unique<SoftmaxLoss>(spec, classes, max_examples);
}

}  // namespace onelogit
