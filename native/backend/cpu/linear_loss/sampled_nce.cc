// Sampled nce: only the rows of the labels and of the draws are touched, O(m·S·d), whatever k is. Shared draws are
// counted, gathered into a small class matrix in runs that fit the cache, and multiplied; draws of each example are dot
// products.

#include <algorithm>
#include <cstring>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/loss_logistic.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/label_rows.h"
#include "backend/cpu/threads.h"
#include "loss/nce.h"
#include "loss/noise.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

constexpr std::int64_t run_of_draws = 256;  // rows gathered at a time

// What both ways of drawing share: the labels' own terms, and rows of any storage type as float32.
class SampledNceLinearLoss : public LinearLossKernel {
 public:
  explicit SampledNceLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        sampler_(plan.loss, plan.k),
        draw_weight_(static_cast<float>(noise_ratio(plan.loss, plan.k) / static_cast<double>(plan.loss.num_sampled))),
        label_gradient_(static_cast<std::size_t>(plan.max_examples)),
        value_(static_cast<std::size_t>(plan.max_examples)) {}

  void run(const LinearLossArguments& arguments, double* value) override {
    const double scale = plan_.scale(arguments.m);
    zero(arguments.gradient_hidden, arguments.m * arguments.d);
    zero(arguments.gradient_weight, arguments.k * arguments.d);
    zero(arguments.gradient_bias, arguments.k);
    std::fill(value_.begin(), value_.end(), 0.0);
    draws(arguments, scale);

    parallel_for(arguments.m, 16, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> row(static_cast<std::size_t>(arguments.d));
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int32_t y = arguments.labels[i];
        const double shifted =
            static_cast<double>(logit(arguments, i, y, row.data())) - static_cast<double>(sampler_.log_weight(y));
        value_[i] += nce_label_value(shifted);
        label_gradient_[i] = static_cast<float>(nce_label_gradient(shifted) * scale);
      }
    });
    add_label_rows(arguments, [&](std::int64_t i) { return label_gradient_[i]; });

    double total = 0;
    for (std::int64_t i = 0; i < arguments.m; ++i) total += value_[i];
    *value = total * scale;
  }

 protected:
  // Adds the draws' terms to value_ and to the gradients.
  virtual void draws(const LinearLossArguments& arguments, double scale) = 0;

  float logit(const LinearLossArguments& arguments, std::int64_t i, std::int64_t j, float* row) const {
    const float* weight = row;
    if (arguments.weight_type == WeightType::bfloat16)
      bfloat16_to_float32(static_cast<const std::uint16_t*>(arguments.weight) + j * arguments.d, arguments.d, row);
    else
      weight = static_cast<const float*>(arguments.weight) + j * arguments.d;
    return reduction_kernels().dot(arguments.hidden + i * arguments.d, weight, arguments.d) +
           (arguments.bias != nullptr ? arguments.bias[j] : 0.0f);
  }

  LinearLossPlan plan_;
  NoiseSampler sampler_;
  float draw_weight_;  // t/S
  std::vector<float> label_gradient_;
  std::vector<double> value_;  // of each example, before scaling

 private:
  static void zero(float* values, std::int64_t count) {
    if (values == nullptr) return;
    parallel_for(count, 1 << 16, 16, [&](std::int64_t begin, std::int64_t end) {
      std::memset(values + begin, 0, sizeof(float) * static_cast<std::size_t>(end - begin));
    });
  }
};

class SharedDraws final : public SampledNceLinearLoss {
 public:
  explicit SharedDraws(const LinearLossPlan& plan)
      : SampledNceLinearLoss(plan),
        drawn_(static_cast<std::size_t>(plan.loss.num_sampled)),
        rows_(cpu_backend(), sizeof(float) * static_cast<std::size_t>(run_of_draws * plan.d)),
        gradient_rows_(cpu_backend(), sizeof(float) * static_cast<std::size_t>(run_of_draws * plan.d)),
        logits_(cpu_backend(), sizeof(float) * static_cast<std::size_t>(plan.max_examples * run_of_draws)) {}

 private:
  void draws(const LinearLossArguments& arguments, double scale) override {
    sampler_.draws(arguments.step, 0, static_cast<std::int64_t>(drawn_.size()), drawn_.data());
    std::sort(drawn_.begin(), drawn_.end());
    std::size_t s = 0;
    while (s < drawn_.size()) {
      count_ = 0;
      while (s < drawn_.size() && count_ < run_of_draws) {
        const std::int32_t j = drawn_[s];
        std::size_t end = s + 1;
        while (end < drawn_.size() && drawn_[end] == j) ++end;
        class_[count_] = j;
        weight_[count_] = draw_weight_ * static_cast<float>(end - s);
        log_weight_[count_] = sampler_.log_weight(j);
        ++count_;
        s = end;
      }
      run_of_classes(arguments, static_cast<float>(scale));
    }
  }

  // The classes class_[0 … count_), each once.
  void run_of_classes(const LinearLossArguments& arguments, float scale) {
    const std::int64_t m = arguments.m, d = arguments.d, n = count_;
    float* const rows = rows_.as<float>();
    for (std::int64_t c = 0; c < n; ++c) {
      if (arguments.weight_type == WeightType::bfloat16)
        bfloat16_to_float32(static_cast<const std::uint16_t*>(arguments.weight) + class_[c] * d, d, rows + c * d);
      else
        std::memcpy(rows + c * d, static_cast<const float*>(arguments.weight) + class_[c] * d,
                    sizeof(float) * static_cast<std::size_t>(d));
    }
    float* const logits = logits_.as<float>();
    parallel_for(m, 16, 8, [&](std::int64_t begin, std::int64_t end) {
      blas_gemm({false, true, end - begin, n, d, 1.0f, arguments.hidden + begin * d, d, rows, d, 0.0f,
                 logits + begin * n, n});
      for (std::int64_t i = begin; i < end; ++i) example(arguments, i, logits + i * n, scale);
      if (arguments.gradient_hidden != nullptr)
        blas_gemm({false, false, end - begin, d, n, 1.0f, logits + begin * n, n, rows, d, 1.0f,
                   arguments.gradient_hidden + begin * d, d});
    });
    if (arguments.gradient_weight != nullptr) {
      float* const gradient = gradient_rows_.as<float>();
      parallel_for(n, 16, 8, [&](std::int64_t begin, std::int64_t end) {
        blas_gemm({true, false, end - begin, d, m, 1.0f, logits + begin, n, arguments.hidden, d, 0.0f,
                   gradient + begin * d, d});
        for (std::int64_t c = begin; c < end; ++c)
          std::memcpy(arguments.gradient_weight + class_[c] * d, gradient + c * d,
                      sizeof(float) * static_cast<std::size_t>(d));
      });
    }
    if (arguments.gradient_bias != nullptr)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t c = 0; c < n; ++c) arguments.gradient_bias[class_[c]] += logits[i * n + c];
  }

  // One example's logits of the run's classes → their gradients; its value grows.
  void example(const LinearLossArguments& arguments, std::int64_t i, float* logits, float scale) {
    if (arguments.bias != nullptr)
      for (std::int64_t c = 0; c < count_; ++c) logits[c] += arguments.bias[class_[c]];
    const std::int32_t *begin = class_, *end = class_ + count_;
    const std::int32_t* hit =
        plan_.loss.remove_accidental_hits ? std::lower_bound(begin, end, arguments.labels[i]) : end;
    const LogisticLossKernels& kernels = logistic_loss_kernels();
    if (hit == end || *hit != arguments.labels[i]) {
      value_[i] += kernels.weighted(logits, weight_, log_weight_, count_, scale, logits);
      return;
    }
    // An accidental hit is dropped: the two sides of it, and nothing at its own entry.
    const std::int64_t at = hit - class_;
    value_[i] += kernels.weighted(logits, weight_, log_weight_, at, scale, logits);
    logits[at] = 0;
    value_[i] += kernels.weighted(logits + at + 1, weight_ + at + 1, log_weight_ + at + 1, count_ - at - 1, scale,
                                  logits + at + 1);
  }

  std::vector<std::int32_t> drawn_;
  std::int64_t count_ = 0;
  std::int32_t class_[run_of_draws];  // ascending
  float weight_[run_of_draws];        // (t/S) c_j
  float log_weight_[run_of_draws];    // ln(t q_j)
  Buffer rows_, gradient_rows_, logits_;
};

class DrawsPerExample final : public SampledNceLinearLoss {
 public:
  explicit DrawsPerExample(const LinearLossPlan& plan)
      : SampledNceLinearLoss(plan),
        class_(static_cast<std::size_t>(plan.max_examples * plan.loss.num_sampled)),
        gradient_(class_.size()) {}

 private:
  void draws(const LinearLossArguments& arguments, double scale) override {
    const std::int64_t draws = plan_.loss.num_sampled;
    parallel_for(arguments.m, 1, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> row(static_cast<std::size_t>(arguments.d)), log_weight(static_cast<std::size_t>(draws)),
          weight(static_cast<std::size_t>(draws), draw_weight_);
      for (std::int64_t i = begin; i < end; ++i) {
        float* const logits = &gradient_[i * draws];
        std::int32_t* const drawn = &class_[i * draws];
        sampler_.draws(arguments.step, static_cast<std::uint64_t>(i * draws), draws, drawn);
        for (std::int64_t s = 0; s < draws; ++s) {
          logits[s] = logit(arguments, i, drawn[s], row.data());
          log_weight[s] = sampler_.log_weight(drawn[s]);
          if (plan_.loss.remove_accidental_hits) weight[s] = drawn[s] == arguments.labels[i] ? 0.0f : draw_weight_;
        }
        value_[i] += logistic_loss_kernels().weighted(logits, weight.data(), log_weight.data(), draws,
                                                      static_cast<float>(scale), logits);
      }
    });
    add_entries(arguments, [&](const auto& add) {
      for (std::int64_t i = 0; i < arguments.m; ++i)
        for (std::int64_t s = 0; s < draws; ++s) add(i, class_[i * draws + s], gradient_[i * draws + s]);
    });
  }

  std::vector<std::int32_t> class_;  // m×S
  std::vector<float> gradient_;      // m×S: logits on the way
};

}  // namespace

std::unique_ptr<LinearLossKernel> make_sampled_nce_linear_loss(const LinearLossPlan& plan) {
  if (plan.loss.samples == NoiseSamples::shared) return std::make_unique<SharedDraws>(plan);
  return std::make_unique<DrawsPerExample>(plan);
}

}  // namespace onelogit
