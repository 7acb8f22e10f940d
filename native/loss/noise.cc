#include "loss/noise.h"

#include <cmath>

namespace onelogit {
namespace {

// Dropout and shuffling may be given the same seed: this keeps nce's stream apart from theirs.
constexpr std::uint64_t stream_key = 0x6E63652D6E6F6973;  // "nce-nois"

}  // namespace

double noise_ratio(const LossSpec& spec, std::int64_t classes) {
  if (spec.noise_ratio > 0) return spec.noise_ratio;
  return static_cast<double>(spec.num_sampled > 0 ? spec.num_sampled : classes);
}

NoiseSampler::NoiseSampler(const LossSpec& spec, std::int64_t classes) {
  const auto k = static_cast<double>(classes);
  const double log_ratio = std::log(noise_ratio(spec, classes));
  scalars_.kind = spec.noise;
  scalars_.key = spec.seed ^ stream_key;
  scalars_.classes = classes;
  scalars_.whole = std::log1p(k);
  scalars_.log_weight = static_cast<float>(log_ratio - std::log(k));
  if (spec.noise == NoiseKind::uniform) return;

  std::vector<double> share = noise_distribution(spec, classes);
  log_weights_.resize(share.size());
  for (std::size_t j = 0; j < share.size(); ++j) log_weights_[j] = static_cast<float>(std::log(share[j]) + log_ratio);
  if (spec.noise == NoiseKind::log_uniform) return;

  for (double& part : share) part *= k;  // 1 is one full column
  // Vose: pair a column that is not full with one that overflows until all are full. Lists of the classes still to do.
  columns_.assign(share.size(), {noise_column_is_whole, 0});
  std::vector<std::int32_t> under, over;
  for (std::size_t j = 0; j < share.size(); ++j) (share[j] < 1 ? under : over).push_back(static_cast<std::int32_t>(j));
  while (!under.empty() && !over.empty()) {
    const std::int32_t small = under.back(), large = over.back();
    under.pop_back();
    columns_[small] = {static_cast<std::uint64_t>(std::ldexp(share[small], 64)), large};
    share[large] -= 1 - share[small];
    if (share[large] < 1) {
      over.pop_back();
      under.push_back(large);
    }
  }
  // What is left on either list is full up to rounding, and keeps its whole column.
}

std::int32_t NoiseSampler::draw(std::uint64_t step, std::uint64_t number) const {
  std::int32_t result = 0;
  draws(step, number, 1, &result);
  return result;
}

void NoiseSampler::draws(std::uint64_t step, std::uint64_t first, std::int64_t count, std::int32_t* out) const {
  const NoiseTables noise = tables();
  const std::uint64_t end = first + static_cast<std::uint64_t>(count);
  for (std::uint64_t pair = first >> 1; 2 * pair < end; ++pair) {
    const NoisePair both = noise_pair(noise, step, pair);
    for (std::uint64_t half = 0; half < 2; ++half) {
      const std::uint64_t number = 2 * pair + half;
      if (number >= first && number < end) out[number - first] = noise_class(noise, both.random[half]);
    }
  }
}

}  // namespace onelogit
