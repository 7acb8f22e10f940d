// What a loss is, independent of any device: its name, options and checks. The mathematics is in the sibling headers,
// one per loss, named as in the public API.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace onelogit {

enum class LossKind {
  cross_entropy,
  max_margin,
  self_normalization,
  nce,
  binary_cross_entropy,
  batch_cross_entropy,
  batch_max_margin,
};

enum class Reduction { mean, sum };
enum class NoiseKind { uniform, log_uniform, unigram, weights };
enum class NoiseSamples { shared, per_example };

struct LossSpec {
  LossKind kind = LossKind::cross_entropy;
  Reduction reduction = Reduction::mean;  // `sum` for the per-example losses only
  double margin = 1.0;                    // γ: max-margin, batch-max-margin
  double alpha = 0.1;                     // α: self-normalization
  // nce
  double noise_ratio = 0.0;      // t; 0 means the default: num_sampled, or k when the expectation is exact
  std::int64_t num_sampled = 0;  // S; 0 means the exact expectation over all k classes
  NoiseKind noise = NoiseKind::uniform;
  // NoiseKind::weights: k positive weights, of any sum. NoiseKind::unigram: count + 1 of each class
  // (set_unigram_counts).
  std::vector<float> noise_weights{};
  NoiseSamples samples = NoiseSamples::shared;
  bool remove_accidental_hits = false;
  std::uint64_t seed = 0;
};

// "cross-entropy" …; throws ERR_ONELOGIT_UNKNOWN_LOSS on any other name.
LossKind loss_kind_from_name(std::string_view name);
std::string_view loss_name(LossKind kind);
// Whether the loss is aligned with the Principle of Logit Separation.
bool loss_is_aligned(LossKind kind);

// nce whose second term is summed over draws.
inline bool is_sampled_nce(const LossSpec& loss) { return loss.kind == LossKind::nce && loss.num_sampled > 0; }
// Whether the gradient of most classes is exactly 0.
inline bool touches_few_classes(const LossSpec& loss) {
  return loss.kind == LossKind::max_margin || loss.kind == LossKind::batch_max_margin || is_sampled_nce(loss);
}

constexpr double max_noise_ratio = 1e30;              // t q_j stays within float32
constexpr std::int64_t max_num_sampled = 10'000'000;  // the draws of a batch are kept in memory

// Throws if the options do not fit (non-finite, γ ≤ 0, α ≤ 0, k < 2 for the margin losses, noise weights …). Unigram
// noise must have been given its counts before.
void check_loss(const LossSpec& spec, std::int64_t classes);
// Throws ERR_ONELOGIT_LABEL_RANGE naming the first label outside [0, classes).
void check_labels(const std::int32_t* labels, std::int64_t count, std::int64_t classes);

// Unigram noise: q_j = (count_j + 1)/(n + k) from the class counts of the training labels.
void set_unigram_counts(LossSpec& spec, const std::int64_t* counts, std::int64_t classes);

// The noise distribution q of nce (k values, > 0, sum 1), in float64. Throws for unigram without weights.
std::vector<double> noise_distribution(const LossSpec& spec, std::int64_t classes);
// What `fit` puts into an all-zero last bias before the first step (losses.md, "Starting point at large k"); empty:
// zeros.
std::vector<float> prior_bias(const LossSpec& spec, std::int64_t classes);

}  // namespace onelogit
