#include "loss/loss.h"

#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "error.h"

namespace onelogit {
namespace {

struct Description {
  LossKind kind;
  std::string_view name;
  bool aligned;
};

constexpr std::array<Description, 7> descriptions{{
    {LossKind::cross_entropy, "cross-entropy", false},
    {LossKind::max_margin, "max-margin", false},
    {LossKind::self_normalization, "self-normalization", true},
    {LossKind::nce, "nce", true},
    {LossKind::binary_cross_entropy, "binary-cross-entropy", true},
    {LossKind::batch_cross_entropy, "batch-cross-entropy", true},
    {LossKind::batch_max_margin, "batch-max-margin", true},
}};

const Description& describe(LossKind kind) { return descriptions[static_cast<std::size_t>(kind)]; }

std::string text(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

[[noreturn]] void reject(const std::string& expected, const std::string& what, const std::string& received) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
              "Expected " + expected + " for " + what + " but received " + received);
}

void check_positive(double value, const char* what) {
  if (!std::isfinite(value) || !(value > 0)) reject("a finite number above 0", what, text(value));
}

bool is_margin_loss(LossKind kind) { return kind == LossKind::max_margin || kind == LossKind::batch_max_margin; }
bool is_batch_loss(LossKind kind) {
  return kind == LossKind::batch_cross_entropy || kind == LossKind::batch_max_margin;
}

void check_noise(const LossSpec& spec, std::int64_t classes) {
  if (!std::isfinite(spec.noise_ratio) || spec.noise_ratio < 0 || spec.noise_ratio > max_noise_ratio)
    reject("a number above 0 and at most " + text(max_noise_ratio), "noiseRatio", text(spec.noise_ratio));
  if (spec.num_sampled < 0 || spec.num_sampled > max_num_sampled)
    reject("an integer from 1 to " + std::to_string(max_num_sampled), "numSampled", std::to_string(spec.num_sampled));
  if (spec.noise != NoiseKind::weights && spec.noise != NoiseKind::unigram) return;
  if (spec.noise == NoiseKind::unigram && spec.noise_weights.empty())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_NOISE",
                "Expected weights for noise but received 'unigram' without training counts: pass a Float32Array of one "
                "positive "
                "weight per class");
  if (static_cast<std::int64_t>(spec.noise_weights.size()) != classes)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected " + std::to_string(classes) + " weights, one per class, for noise but received " +
                    std::to_string(spec.noise_weights.size()));
  for (std::size_t j = 0; j < spec.noise_weights.size(); ++j)
    if (!std::isfinite(spec.noise_weights[j]) || !(spec.noise_weights[j] > 0))
      throw Error(ErrorKind::range, "ERR_ONELOGIT_NOISE",
                  "Expected finite weights above 0 for noise but received " + text(spec.noise_weights[j]) +
                      " at index " + std::to_string(j));
}

}  // namespace

LossKind loss_kind_from_name(std::string_view name) {
  std::string names;
  for (const Description& description : descriptions) {
    if (description.name == name) return description.kind;
    names += (names.empty() ? "" : ", ") + std::string(description.name);
  }
  throw Error(ErrorKind::range, "ERR_ONELOGIT_UNKNOWN_LOSS",
              "Expected one of " + names + " for the loss but received '" + std::string(name.substr(0, 40)) + "'");
}

std::string_view loss_name(LossKind kind) { return describe(kind).name; }
bool loss_is_aligned(LossKind kind) { return describe(kind).aligned; }

void check_loss(const LossSpec& spec, std::int64_t classes) {
  const std::string name(loss_name(spec.kind));
  const int least = is_margin_loss(spec.kind) ? 2 : 1;
  if (classes < least || classes > std::numeric_limits<std::int32_t>::max())
    reject("at least " + std::to_string(least) + (least == 1 ? " class" : " classes"), name, std::to_string(classes));
  if (spec.reduction == Reduction::sum && is_batch_loss(spec.kind))
    reject("'mean'", "the reduction of " + name, "'sum'");
  if (is_margin_loss(spec.kind)) check_positive(spec.margin, "margin");
  if (spec.kind == LossKind::self_normalization) check_positive(spec.alpha, "alpha");
  if (spec.kind == LossKind::nce) check_noise(spec, classes);
}

void check_labels(const std::int32_t* labels, std::int64_t count, std::int64_t classes) {
  for (std::int64_t i = 0; i < count; ++i)
    if (labels[i] < 0 || labels[i] >= classes)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LABEL_RANGE",
                  "Expected labels from 0 to " + std::to_string(classes - 1) + " for labels but received " +
                      std::to_string(labels[i]) + " at index " + std::to_string(i));
}

void set_unigram_counts(LossSpec& spec, const std::int64_t* counts, std::int64_t classes) {
  spec.noise_weights.resize(static_cast<std::size_t>(classes));
  for (std::int64_t j = 0; j < classes; ++j) spec.noise_weights[j] = static_cast<float>(counts[j] + 1);
}

std::vector<double> noise_distribution(const LossSpec& spec, std::int64_t classes) {
  check_noise(spec, classes);
  std::vector<double> q(static_cast<std::size_t>(classes));
  switch (spec.noise) {
    case NoiseKind::uniform:
      q.assign(q.size(), 1.0 / static_cast<double>(classes));
      break;
    case NoiseKind::log_uniform: {
      const double whole = std::log1p(static_cast<double>(classes));
      for (std::size_t j = 0; j < q.size(); ++j) q[j] = std::log1p(1.0 / (static_cast<double>(j) + 1.0)) / whole;
      break;
    }
    case NoiseKind::unigram:
    case NoiseKind::weights: {
      const double whole = std::accumulate(spec.noise_weights.begin(), spec.noise_weights.end(), 0.0);
      for (std::size_t j = 0; j < q.size(); ++j) q[j] = static_cast<double>(spec.noise_weights[j]) / whole;
      break;
    }
  }
  return q;
}

std::vector<float> prior_bias(const LossSpec& spec, std::int64_t classes) {
  const auto k = static_cast<double>(classes);
  const auto size = static_cast<std::size_t>(classes);
  switch (spec.kind) {
    case LossKind::binary_cross_entropy:
      return std::vector<float>(size, static_cast<float>(-std::log(std::max(k - 1.0, 1.0))));
    case LossKind::self_normalization:
      return std::vector<float>(size, static_cast<float>(-std::log(k)));
    case LossKind::nce: {
      const std::vector<double> q = noise_distribution(spec, classes);
      std::vector<float> bias(size);
      for (std::size_t j = 0; j < size; ++j) bias[j] = static_cast<float>(std::log(q[j]));
      return bias;
    }
    default:
      return {};
  }
}

}  // namespace onelogit
