#include "loss/noise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "random/philox.h"

namespace onelogit {
namespace {

// Dropout and shuffling may be given the same seed: this keeps nce's stream apart from theirs.
constexpr std::uint64_t stream_key = 0x6E63652D6E6F6973;  // "nce-nois"

constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();

// The high and the low half of a·b.
struct WideProduct {
  std::uint64_t high, low;
};
WideProduct multiply_wide(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a0 = a & 0xffffffffU, a1 = a >> 32, b0 = b & 0xffffffffU, b1 = b >> 32;
  const std::uint64_t low = a0 * b0;
  const std::uint64_t middle = a1 * b0 + (low >> 32);
  const std::uint64_t middle2 = a0 * b1 + (middle & 0xffffffffU);
  return {a1 * b1 + (middle >> 32) + (middle2 >> 32), a * b};
}

}  // namespace

double noise_ratio(const LossSpec& spec, std::int64_t classes) {
  if (spec.noise_ratio > 0) return spec.noise_ratio;
  return static_cast<double>(spec.num_sampled > 0 ? spec.num_sampled : classes);
}

NoiseSampler::NoiseSampler(const LossSpec& spec, std::int64_t classes)
    : kind_(spec.noise), key_(spec.seed ^ stream_key), classes_(classes) {
  const auto k = static_cast<double>(classes);
  const double log_ratio = std::log(noise_ratio(spec, classes));
  whole_ = std::log1p(k);
  log_weight_ = static_cast<float>(log_ratio - std::log(k));
  if (kind_ == NoiseKind::uniform) return;

  std::vector<double> share = noise_distribution(spec, classes);
  log_weights_.resize(share.size());
  for (std::size_t j = 0; j < share.size(); ++j) log_weights_[j] = static_cast<float>(std::log(share[j]) + log_ratio);
  if (kind_ == NoiseKind::log_uniform) return;

  for (double& part : share) part *= k;  // 1 is one full column
  // Vose: pair a column that is not full with one that overflows until all are full. Lists of the classes still to do.
  columns_.assign(share.size(), {everything, 0});
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

std::int32_t NoiseSampler::from_random(std::uint64_t random) const {
  if (kind_ == NoiseKind::log_uniform) {
    // The cumulative distribution is ln(j + 2)/ln(k + 1) at j: its inverse at u is ⌊(k + 1)^u⌋ − 1.
    const double u = static_cast<double>(random >> 11) * 0x1p-53;
    const auto power = static_cast<std::int64_t>(std::exp(u * whole_));
    return static_cast<std::int32_t>(std::clamp<std::int64_t>(power - 1, 0, classes_ - 1));
  }
  const WideProduct product = multiply_wide(random, static_cast<std::uint64_t>(classes_));
  const auto column = static_cast<std::int32_t>(product.high);  // product.low: where in it
  if (kind_ == NoiseKind::uniform) return column;
  const Column& chosen = columns_[column];
  return product.low < chosen.keep || chosen.keep == everything ? column : chosen.alias;
}

std::int32_t NoiseSampler::draw(std::uint64_t step, std::uint64_t number) const {
  std::int32_t result = 0;
  draws(step, number, 1, &result);
  return result;
}

void NoiseSampler::draws(std::uint64_t step, std::uint64_t first, std::int64_t count, std::int32_t* out) const {
  // 128 random bits make two draws: numbers 2n and 2n + 1.
  const std::uint64_t end = first + static_cast<std::uint64_t>(count);
  for (std::uint64_t pair = first >> 1; 2 * pair < end; ++pair) {
    const PhiloxWords block = philox4x32(key_, pair, step);
    for (std::uint64_t half = 0; half < 2; ++half) {
      const std::uint64_t number = 2 * pair + half;
      if (number < first || number >= end) continue;
      const std::uint64_t random = static_cast<std::uint64_t>(block.word[2 * half]) << 32 | block.word[2 * half + 1];
      out[number - first] = from_random(random);
    }
  }
}

}  // namespace onelogit
