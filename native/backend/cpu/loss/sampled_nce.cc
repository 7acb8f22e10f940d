// nce with S draws: only the label's and the draws' logits are looked at. Shared draws are counted once per batch;
// draws of each example are made where they are used.

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "backend/cpu/kernels/loss_logistic.h"
#include "backend/cpu/loss/families.h"
#include "backend/cpu/loss/tiles.h"
#include "loss/nce.h"
#include "loss/noise.h"

namespace onelogit {
namespace {

constexpr std::int64_t gather_length = 256;

class SampledNce final : public LossKernel {
 public:
  SampledNce(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
      : sampler_(spec, classes),
        shared_(spec.samples == NoiseSamples::shared),
        remove_accidental_hits_(spec.remove_accidental_hits),
        mean_(spec.reduction == Reduction::mean),
        classes_(classes),
        draws_(spec.num_sampled),
        draw_weight_(static_cast<float>(noise_ratio(spec, classes) / static_cast<double>(spec.num_sampled))),
        row_value_(static_cast<std::size_t>(max_examples)) {
    if (shared_) {
      drawn_.resize(static_cast<std::size_t>(draws_));
      counted_.resize(static_cast<std::size_t>(std::min(draws_, classes)));
    }
  }

  void value_and_gradient(const float* logits, const std::int32_t* labels, std::int64_t m, std::uint64_t step,
                          double* value, float* gradient) override {
    const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
    if (gradient != nullptr)
      parallel_flat_tiles(m * classes_, [&](std::int64_t, std::int64_t first, std::int64_t count) {
        std::memset(gradient + first, 0, sizeof(float) * static_cast<std::size_t>(count));
      });
    const std::int64_t distinct = shared_ ? count_shared_draws(step) : 0;
    const std::int64_t row_work = shared_ ? distinct : draws_;
    parallel_for(m, std::max<std::int64_t>(1, 2048 / std::max<std::int64_t>(1, row_work)), 1,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     float* row_gradient = gradient == nullptr ? nullptr : gradient + i * classes_;
                     row_value_[i] = row(logits + i * classes_, labels[i], i, step, distinct, scale, row_gradient);
                   }
                 });
    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) total += row_value_[i];
    *value = total * scale;
  }

 private:
  struct Counted {
    std::int32_t j;
    float weight;      // (t/S) c_j
    float log_weight;  // ln(t q_j)
  };

  // Fills counted_ with the batch's distinct draws in ascending order; returns their number.
  std::int64_t count_shared_draws(std::uint64_t step) {
    sampler_.draws(step, 0, draws_, drawn_.data());
    std::sort(drawn_.begin(), drawn_.end());
    std::int64_t distinct = 0;
    for (std::int64_t s = 0; s < draws_;) {
      const std::int32_t j = drawn_[s];
      std::int64_t end = s + 1;
      while (end < draws_ && drawn_[end] == j) ++end;
      counted_[distinct++] = {j, draw_weight_ * static_cast<float>(end - s), sampler_.log_weight(j)};
      s = end;
    }
    return distinct;
  }

  double row(const float* z, std::int32_t y, std::int64_t i, std::uint64_t step, std::int64_t distinct, double scale,
             float* gradient) const {
    std::array<float, gather_length> logit, weight, log_weight, sigma;
    std::array<std::int32_t, gather_length> column;
    double total = 0;
    const std::int64_t count = shared_ ? distinct : draws_;
    for (std::int64_t first = 0; first < count; first += gather_length) {
      const std::int64_t length = std::min(gather_length, count - first);
      if (!shared_) sampler_.draws(step, static_cast<std::uint64_t>(i * draws_ + first), length, column.data());
      for (std::int64_t n = 0; n < length; ++n) {
        const Counted draw =
            shared_ ? counted_[first + n] : Counted{column[n], draw_weight_, sampler_.log_weight(column[n])};
        column[n] = draw.j;
        logit[n] = z[draw.j];
        log_weight[n] = draw.log_weight;
        weight[n] = remove_accidental_hits_ && draw.j == y ? 0.0f : draw.weight;
      }
      total +=
          logistic_loss_kernels().weighted(logit.data(), weight.data(), log_weight.data(), length,
                                           static_cast<float>(scale), gradient == nullptr ? nullptr : sigma.data());
      if (gradient != nullptr)
        for (std::int64_t n = 0; n < length; ++n) gradient[column[n]] += sigma[n];
    }
    const double shifted = static_cast<double>(z[y]) - static_cast<double>(sampler_.log_weight(y));
    if (gradient != nullptr) gradient[y] += static_cast<float>(nce_label_gradient(shifted) * scale);
    return total + nce_label_value(shifted);
  }

  NoiseSampler sampler_;
  bool shared_, remove_accidental_hits_, mean_;
  std::int64_t classes_, draws_;
  float draw_weight_;  // t/S
  std::vector<std::int32_t> drawn_;
  std::vector<Counted> counted_;
  std::vector<double> row_value_;
};

}  // namespace

std::unique_ptr<LossKernel> make_cpu_sampled_nce(const LossSpec& spec, std::int64_t classes,
                                                 std::int64_t max_examples) {
  return std::make_unique<SampledNce>(spec, classes, max_examples);
}

}  // namespace onelogit
