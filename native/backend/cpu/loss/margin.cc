// max-margin and batch-max-margin: one pass finds each row's largest false logit; the gradient is zeros and a few
// entries.

#include <cstring>
#include <limits>
#include <vector>

#include "backend/cpu/kernels/loss_margin.h"
#include "backend/cpu/loss/families.h"
#include "backend/cpu/loss/tiles.h"
#include "loss/batch_max_margin.h"

namespace onelogit {
namespace {

class MarginLoss final : public LossKernel {
 public:
  MarginLoss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : batch_(spec.kind == LossKind::batch_max_margin),
        margin_(spec.margin),
        mean_(spec.reduction == Reduction::mean),
        classes_(classes) {
    const auto parts = static_cast<std::size_t>(max_examples * Tiling(max_examples, classes).parts_of_row());
    largest_.resize(parts);
    column_.resize(parts);
  }

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t, double* value,
                          float* gradient) override {
    const Tiling tiling(m, classes_);
    const std::int64_t parts = tiling.parts_of_row();
    const MarginLossKernels& kernels = margin_loss_kernels();
    parallel_tiles(tiling.count(), [&](std::int64_t t) {
      const Tile tile = tiling[t];
      const std::int64_t state = parts == 1 ? tile.row_begin : t, first = tile.row_begin * classes_ + tile.column_begin;
      kernels.largest_false(logits + first, classes_, tile.rows(), tile.columns(), labels + tile.row_begin,
                            tile.column_begin, &largest_[state], &column_[state]);
      // A tile's rows lie together: it has all columns of several rows or some of one.
      if (gradient != nullptr)
        std::memset(gradient + first, 0, sizeof(float) * static_cast<std::size_t>(tile.rows() * tile.columns()));
    });

    const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
    BatchMargin batch;
    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      ArgMax row;
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t state = i * parts + part;
        // Flat indices i·k + j, for the batch.
        const std::int64_t index = column_[state] < 0 ? -1 : i * classes_ + part * tile_elements + column_[state];
        row = merge(row, {largest_[state], index});
      }
      const std::int64_t at = i * classes_ + labels[i];
      const double row_hinge = max_margin_hinge(margin_, logits[at], row.value);
      total += row_hinge;
      if (batch_) batch.add_row(i, logits[at], row);
      if (gradient != nullptr) add_hinge_gradient(row_hinge, scale, at, row.index, i, gradient);
    }
    if (batch_) {
      const double batch_hinge = max_margin_hinge(margin_, batch.smallest_true, batch.largest_false.value);
      total += batch_hinge;
      if (gradient != nullptr && batch_hinge > 0) {
        const std::int64_t i = batch.smallest_true_row;
        add_hinge_gradient(batch_hinge, scale, i * classes_ + labels[i], batch.largest_false.index, i, gradient);
      }
    }
    *value = total * scale;
  }

 private:
  void add_hinge_gradient(double value, double scale, std::int64_t at_true, std::int64_t at_false, std::int64_t row,
                          float* gradient) const {
    if (value > 0) {
      gradient[at_true] -= static_cast<float>(scale);
      gradient[at_false] += static_cast<float>(scale);
    } else if (value != value) {
      float* begin = gradient + row * classes_;
      for (std::int64_t j = 0; j < classes_; ++j) begin[j] = std::numeric_limits<float>::quiet_NaN();
    }
  }

  bool batch_;
  double margin_;
  bool mean_;
  std::int64_t classes_;
  std::vector<float> largest_;        // of each row, or of each part of a row
  std::vector<std::int32_t> column_;  // where in it
};

}  // namespace

std::unique_ptr<LossKernel> make_cpu_margin_loss(const LossSpec& spec, std::int64_t classes,
                                                 std::int64_t max_examples) {
  return std::make_unique<MarginLoss>(spec, classes, max_examples);
}

}  // namespace onelogit
