// binary-cross-entropy and nce with the exact expectation: every entry by itself, in one pass; the labels' entries are
// put right afterwards.

#include <cmath>
#include <vector>

#include "backend/cpu/kernels/loss_logistic.h"
#include "backend/cpu/loss/families.h"
#include "backend/cpu/loss/tiles.h"
#include "loss/binary_cross_entropy.h"
#include "loss/nce.h"
#include "loss/noise.h"

namespace onelogit {
namespace {

class BinaryCrossEntropy final : public LossKernel {
 public:
  BinaryCrossEntropy(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : mean_(spec.reduction == Reduction::mean),
        classes_(classes),
        partial_(static_cast<std::size_t>(flat_tile_count(max_examples * classes))) {}

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t, double* value,
                          float* gradient) override {
    const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
    const std::int64_t size = m * classes_;
    const LogisticLossKernels& kernels = logistic_loss_kernels();
    parallel_flat_tiles(size, [&](std::int64_t t, std::int64_t first, std::int64_t count) {
      partial_[t] = kernels.unweighted(logits + first, count, static_cast<float>(scale),
                                       gradient == nullptr ? nullptr : gradient + first);
    });
    double positive = 0, excess = 0;
    for (std::int64_t t = 0; t < flat_tile_count(size); ++t) {
      positive += partial_[t].positive;
      excess += partial_[t].excess;
    }
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t at = i * classes_ + labels[i];
      const auto true_logit = static_cast<double>(logits[at]);
      positive -= true_logit;
      if (gradient != nullptr)
        gradient[at] = static_cast<float>(binary_cross_entropy_label_gradient(true_logit) * scale);
    }
    *value = (positive + excess) * scale;
  }

 private:
  bool mean_;
  std::int64_t classes_;
  std::vector<SoftplusSum> partial_;
};

class ExactNce final : public LossKernel {
 public:
  ExactNce(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : mean_(spec.reduction == Reduction::mean),
        classes_(classes),
        partial_(static_cast<std::size_t>(Tiling(max_examples, classes).count())) {
    const double ratio = noise_ratio(spec, classes);
    const std::vector<double> noise = noise_distribution(spec, classes);
    weight_.reserve(noise.size());
    log_weight_.reserve(noise.size());
    for (const double q : noise) {
      weight_.push_back(static_cast<float>(ratio * q));
      log_weight_.push_back(static_cast<float>(std::log(ratio) + std::log(q)));
    }
  }

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t, double* value,
                          float* gradient) override {
    const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
    const Tiling tiling(m, classes_);
    const LogisticLossKernels& kernels = logistic_loss_kernels();
    parallel_tiles(tiling.count(), [&](std::int64_t t) {
      const Tile tile = tiling[t];
      double total = 0;
      for (std::int64_t i = tile.row_begin; i < tile.row_end; ++i) {
        const std::int64_t first = i * classes_ + tile.column_begin;
        total += kernels.weighted(logits + first, &weight_[tile.column_begin], &log_weight_[tile.column_begin],
                                  tile.columns(), static_cast<float>(scale),
                                  gradient == nullptr ? nullptr : gradient + first);
      }
      partial_[t] = total;
    });
    double total = 0;
    for (std::int64_t t = 0; t < tiling.count(); ++t) total += partial_[t];
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t y = labels[i], at = i * classes_ + y;
      const double shifted = static_cast<double>(logits[at]) - static_cast<double>(log_weight_[y]);
      total += nce_label_value(shifted);
      if (gradient != nullptr)
        gradient[at] = static_cast<float>(
            (static_cast<double>(weight_[y]) * sigmoid(shifted) + nce_label_gradient(shifted)) * scale);
    }
    *value = total * scale;
  }

 private:
  bool mean_;
  std::int64_t classes_;
  std::vector<float> weight_, log_weight_;  // w_j = t q_j, ln w_j
  std::vector<double> partial_;
};

}  // namespace

std::unique_ptr<LossKernel> make_cpu_logistic_loss(const LossSpec& spec, std::int64_t classes,
                                                   std::int64_t max_examples) {
  if (spec.kind == LossKind::nce) return std::make_unique<ExactNce>(spec, classes, max_examples);
  return std::make_unique<BinaryCrossEntropy>(spec, classes, max_examples);
}

}  // namespace onelogit
