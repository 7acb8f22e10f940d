// Sampled nce: only the rows of the labels and of the draws are touched, O(m·S·d), whatever k is. Shared draws are
// counted, gathered into a small class matrix in runs that fit the cache, and multiplied; draws of each example are dot
// products.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/bfloat16.h"
#include "backend/cpu/kernels/loss_logistic.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/kernels/row_dot.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/sparse_rows.h"
#include "backend/cpu/threads.h"
#include "loss/nce.h"
#include "loss/noise.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

constexpr std::int64_t run_of_draws = 256;  // rows gathered at a time

// What both ways of drawing share: the labels' own terms, and single logits.
class SampledNceLinearLoss : public CpuLinearLoss {
 public:
  explicit SampledNceLinearLoss(const LinearLossPlan& plan)
      : plan_(plan),
        sampler_(plan.loss, plan.k),
        draw_weight_(static_cast<float>(noise_ratio(plan.loss, plan.k) / static_cast<double>(plan.loss.num_sampled))),
        value_(static_cast<std::size_t>(plan.max_examples)) {}

  void pass(const LinearLossArguments& arguments, ClassGradients& classes, double* value) override {
    const std::int64_t m = arguments.m;
    const double scale = plan_.scale(m);
    if (arguments.gradient_hidden != nullptr) std::fill_n(arguments.gradient_hidden, m * arguments.d, 0.0f);
    std::fill(value_.begin(), value_.end(), 0.0);
    draw(arguments);
    if (classes.wanted()) {
      for (const std::int32_t j : rows_.classes) classes.before_read(j, 1);
      rows_.gradient.assign(rows_.classes.size() * static_cast<std::size_t>(arguments.d), 0.0f);
      rows_.bias_gradient.assign(rows_.classes.size(), 0.0f);
    }
    draws_terms(arguments, static_cast<float>(scale), classes.wanted());

    label_entries_.resize(static_cast<std::size_t>(m));
    parallel_for(m, 16, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int32_t y = arguments.labels[i];
        const double shifted =
            static_cast<double>(logit(arguments, i, y)) - static_cast<double>(sampler_.log_weight(y));
        value_[i] += nce_label_value(shifted);
        label_entries_[i] = {i, y, static_cast<float>(nce_label_gradient(shifted) * scale)};
      }
    });
    add_to_hidden(arguments, label_entries_);

    double total = 0;
    for (std::int64_t i = 0; i < m; ++i) total += value_[i];
    *value = total * scale;
    if (arguments.correct != nullptr) *arguments.correct = -1;
    if (!classes.wanted()) return;
    add_rows(arguments, label_entries_, row_of_label_, rows_.gradient.data(), rows_.bias_gradient.data());
    classes.rows(arguments, rows_);
  }

 protected:
  // Draws, and names in rows_.classes every class that is drawn or a label, each once; row_of_label_ says where the
  // labels' are.
  virtual void draw(const LinearLossArguments& arguments) = 0;
  // Adds the draws' terms to value_, to the gradient of hidden and, if wanted, to rows_.
  virtual void draws_terms(const LinearLossArguments& arguments, float scale, bool rows_wanted) = 0;

  float logit(const LinearLossArguments& arguments, std::int64_t i, std::int64_t j) const {
    const std::int64_t d = arguments.d;
    const RowDotKernels& kernels = row_dot_kernels();
    const auto* const row = static_cast<const std::byte*>(arguments.weight) +
                            static_cast<std::size_t>(j * d) * weight_bytes(arguments.weight_type);
    const auto dot = arguments.weight_type == WeightType::bfloat16 ? kernels.bfloat16 : kernels.float32;
    return dot(arguments.hidden + i * d, row, d) + (arguments.bias != nullptr ? arguments.bias[j] : 0.0f);
  }

  LinearLossPlan plan_;
  NoiseSampler sampler_;
  float draw_weight_;          // t/S
  std::vector<double> value_;  // of each example, before scaling
  SparseRows rows_;
  std::vector<std::int64_t> row_of_label_;  // m
  std::vector<LogitEntry> label_entries_;   // m
};

class SharedDraws final : public SampledNceLinearLoss {
 public:
  explicit SharedDraws(const LinearLossPlan& plan)
      : SampledNceLinearLoss(plan),
        drawn_(static_cast<std::size_t>(plan.loss.num_sampled)),
        weight_rows_(cpu_backend(), sizeof(float) * static_cast<std::size_t>(run_of_draws * plan.d)),
        logits_(cpu_backend(), sizeof(float) * static_cast<std::size_t>(plan.max_examples * run_of_draws)) {}

 private:
  void draw(const LinearLossArguments& arguments) override {
    sampler_.draws(arguments.step, 0, static_cast<std::int64_t>(drawn_.size()), drawn_.data());
    std::sort(drawn_.begin(), drawn_.end());
    std::vector<std::int32_t>& classes = rows_.classes;
    classes.clear();
    weight_.clear();
    log_weight_.clear();
    for (std::size_t s = 0; s < drawn_.size();) {
      std::size_t end = s + 1;
      while (end < drawn_.size() && drawn_[end] == drawn_[s]) ++end;
      classes.push_back(drawn_[s]);
      weight_.push_back(draw_weight_ * static_cast<float>(end - s));
      log_weight_.push_back(sampler_.log_weight(drawn_[s]));
      s = end;
    }
    // Labels that were not drawn come after them.
    const auto drawn = static_cast<std::ptrdiff_t>(classes.size());
    different_ = drawn;
    for (std::int64_t i = 0; i < arguments.m; ++i)
      if (!std::binary_search(classes.begin(), classes.begin() + drawn, arguments.labels[i]))
        classes.push_back(arguments.labels[i]);
    std::sort(classes.begin() + drawn, classes.end());
    classes.erase(std::unique(classes.begin() + drawn, classes.end()), classes.end());
    row_of_label_.resize(static_cast<std::size_t>(arguments.m));
    for (std::int64_t i = 0; i < arguments.m; ++i) {
      auto found = std::lower_bound(classes.begin(), classes.begin() + drawn, arguments.labels[i]);
      if (found == classes.begin() + drawn || *found != arguments.labels[i])
        found = std::lower_bound(classes.begin() + drawn, classes.end(), arguments.labels[i]);
      row_of_label_[i] = found - classes.begin();
    }
  }

  void draws_terms(const LinearLossArguments& arguments, float scale, bool rows_wanted) override {
    for (std::int64_t first = 0; first < different_; first += run_of_draws)
      run_of_classes(arguments, first, std::min(run_of_draws, different_ - first), scale, rows_wanted);
  }

  // The drawn classes rows_.classes[first … first + n).
  void run_of_classes(const LinearLossArguments& arguments, std::int64_t first, std::int64_t n, float scale,
                      bool rows_wanted) {
    const std::int64_t m = arguments.m, d = arguments.d;
    const std::int32_t* const classes = rows_.classes.data() + first;
    float* const rows = weight_rows_.as<float>();
    const std::size_t row_bytes = static_cast<std::size_t>(d) * weight_bytes(arguments.weight_type);
    const auto* const weight = static_cast<const char*>(arguments.weight);
    for (std::int64_t c = 0; c < n; ++c) {
      // Rows lie anywhere: the ones to come are asked for while this one is copied.
      if (c + 8 < n)
        for (std::size_t byte = 0; byte < row_bytes; byte += 64)
          __builtin_prefetch(weight + static_cast<std::size_t>(classes[c + 8]) * row_bytes + byte);
      if (arguments.weight_type == WeightType::bfloat16)
        bfloat16_kernels().to_float32(static_cast<const std::uint16_t*>(arguments.weight) + classes[c] * d, d,
                                      rows + c * d);
      else
        std::memcpy(rows + c * d, static_cast<const float*>(arguments.weight) + classes[c] * d,
                    sizeof(float) * static_cast<std::size_t>(d));
    }
    float* const logits = logits_.as<float>();
    parallel_for(m, 16, 8, [&](std::int64_t begin, std::int64_t end) {
      blas_gemm({false, true, end - begin, n, d, 1.0f, arguments.hidden + begin * d, d, rows, d, 0.0f,
                 logits + begin * n, n});
      for (std::int64_t i = begin; i < end; ++i) example(arguments, i, first, n, logits + i * n, scale);
      if (arguments.gradient_hidden != nullptr)
        blas_gemm({false, false, end - begin, d, n, 1.0f, logits + begin * n, n, rows, d, 1.0f,
                   arguments.gradient_hidden + begin * d, d});
    });
    if (!rows_wanted) return;
    parallel_for(n, 16, 8, [&](std::int64_t begin, std::int64_t end) {
      blas_gemm({true, false, end - begin, d, m, 1.0f, logits + begin, n, arguments.hidden, d, 0.0f,
                 rows_.gradient.data() + (first + begin) * d, d});
    });
    reduction_kernels().column_sums(logits, n, rows_.bias_gradient.data() + first, m, n);
  }

  // One example's logits of a run's classes → their gradients; its value grows.
  void example(const LinearLossArguments& arguments, std::int64_t i, std::int64_t first, std::int64_t n, float* logits,
               float scale) {
    const std::int32_t *const begin = rows_.classes.data() + first, *const end = begin + n;
    const float *const weight = weight_.data() + first, *const log_weight = log_weight_.data() + first;
    if (arguments.bias != nullptr)
      for (std::int64_t c = 0; c < n; ++c) logits[c] += arguments.bias[begin[c]];
    const std::int32_t* hit =
        plan_.loss.remove_accidental_hits ? std::lower_bound(begin, end, arguments.labels[i]) : end;
    const LogisticLossKernels& kernels = logistic_loss_kernels();
    if (hit == end || *hit != arguments.labels[i]) {
      value_[i] += kernels.weighted(logits, weight, log_weight, n, scale, logits);
      return;
    }
    // An accidental hit is dropped: the two sides of it, and nothing at its own entry.
    const std::int64_t at = hit - begin;
    value_[i] += kernels.weighted(logits, weight, log_weight, at, scale, logits);
    logits[at] = 0;
    value_[i] +=
        kernels.weighted(logits + at + 1, weight + at + 1, log_weight + at + 1, n - at - 1, scale, logits + at + 1);
  }

  std::vector<std::int32_t> drawn_;  // S, ascending
  std::int64_t different_ = 0;       // the first so many of rows_.classes are drawn, ascending
  std::vector<float> weight_;        // of those: (t/S) c_j
  std::vector<float> log_weight_;    // ln(t q_j)
  Buffer weight_rows_, logits_;
};

class DrawsPerExample final : public SampledNceLinearLoss {
 public:
  explicit DrawsPerExample(const LinearLossPlan& plan)
      : SampledNceLinearLoss(plan),
        class_(static_cast<std::size_t>(plan.max_examples * plan.loss.num_sampled)),
        gradient_(class_.size()) {}

 private:
  void draw(const LinearLossArguments& arguments) override {
    const std::int64_t m = arguments.m, draws = plan_.loss.num_sampled;
    parallel_for(m, 1, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i)
        sampler_.draws(arguments.step, static_cast<std::uint64_t>(i * draws), draws, &class_[i * draws]);
    });
    std::vector<std::int32_t>& classes = rows_.classes;
    classes.assign(class_.begin(), class_.begin() + m * draws);
    classes.insert(classes.end(), arguments.labels, arguments.labels + m);
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
    row_of_label_.resize(static_cast<std::size_t>(m));
    for (std::int64_t i = 0; i < m; ++i) row_of_label_[i] = row_of(arguments.labels[i]);
  }

  void draws_terms(const LinearLossArguments& arguments, float scale, bool rows_wanted) override {
    const std::int64_t m = arguments.m, draws = plan_.loss.num_sampled;
    entries_.resize(static_cast<std::size_t>(m * draws));
    parallel_for(m, 1, 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> log_weight(static_cast<std::size_t>(draws)),
          weight(static_cast<std::size_t>(draws), draw_weight_);
      for (std::int64_t i = begin; i < end; ++i) {
        float* const logits = &gradient_[i * draws];
        const std::int32_t* const drawn = &class_[i * draws];
        for (std::int64_t s = 0; s < draws; ++s) {
          logits[s] = logit(arguments, i, drawn[s]);
          log_weight[s] = sampler_.log_weight(drawn[s]);
          if (plan_.loss.remove_accidental_hits) weight[s] = drawn[s] == arguments.labels[i] ? 0.0f : draw_weight_;
        }
        value_[i] += logistic_loss_kernels().weighted(logits, weight.data(), log_weight.data(), draws, scale, logits);
        for (std::int64_t s = 0; s < draws; ++s) entries_[i * draws + s] = {i, drawn[s], logits[s]};
      }
    });
    add_to_hidden(arguments, entries_);
    if (!rows_wanted) return;
    std::vector<std::int64_t> rows(entries_.size());
    parallel_for(m * draws, 4096, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) rows[n] = row_of(entries_[n].j);
    });
    add_rows(arguments, entries_, rows, rows_.gradient.data(), rows_.bias_gradient.data());
  }

  std::int64_t row_of(std::int64_t j) const {
    return std::lower_bound(rows_.classes.begin(), rows_.classes.end(), j) - rows_.classes.begin();
  }

  std::vector<std::int32_t> class_;  // m×S
  std::vector<float> gradient_;      // m×S: logits on the way
  std::vector<LogitEntry> entries_;  // m×S
};

}  // namespace

std::unique_ptr<CpuLinearLoss> make_sampled_nce_linear_loss(const LinearLossPlan& plan) {
  if (plan.loss.samples == NoiseSamples::shared) return std::make_unique<SharedDraws>(plan);
  return std::make_unique<DrawsPerExample>(plan);
}

}  // namespace onelogit
