// One draw from the noise distribution of nce, for host and device: the same class from the same random bits
// everywhere, down to the last bit of an exponential.
#pragma once

#include <cmath>
#include <cstdint>

#include "loss/loss.h"
#include "random/philox.h"

namespace onelogit {

// A column of Walker's alias table.
struct NoiseColumn {
  std::uint64_t keep;  // of 2⁶⁴ equal parts of this column, how many stay with its own class
  std::int32_t alias;  // the class that the others go to
};

inline constexpr std::uint64_t noise_column_is_whole = ~std::uint64_t{0};

// What draws need to know of q. The tables are memory of whoever draws.
struct NoiseTables {
  NoiseKind kind = NoiseKind::uniform;
  std::uint64_t key = 0;
  std::int64_t classes = 0;
  double whole = 0;                      // log-uniform: ln(k + 1)
  float log_weight = 0;                  // uniform: ln(t/k)
  const float* log_weights = nullptr;    // all others: ln(t q_j)
  const NoiseColumn* columns = nullptr;  // weights, unigram
};

// The high and the low half of a·b.
struct WideProduct {
  std::uint64_t high, low;
};
ONELOGIT_SHARED_INLINE WideProduct multiply_wide(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t a0 = a & 0xffffffffU, a1 = a >> 32, b0 = b & 0xffffffffU, b1 = b >> 32;
  const std::uint64_t low = a0 * b0;
  const std::uint64_t middle = a1 * b0 + (low >> 32);
  const std::uint64_t middle2 = a0 * b1 + (middle & 0xffffffffU);
  return {a1 * b1 + (middle >> 32) + (middle2 >> 32), a * b};
}

// ⌊exp(r/2⁵³ · whole)⌋ in integers, good to 15 digits: r below 2⁵³, whole = ln(k + 1) from ln 2 to 31 ln 2.
ONELOGIT_SHARED_INLINE std::int64_t floor_power_in_integers(std::uint64_t r, double whole) {
  constexpr int bits = 58;                                 // after the binary point
  constexpr std::uint64_t one = std::uint64_t{1} << bits;  // whole is below 2⁵
  constexpr std::uint64_t log_two = 199786072581291495U;   // ln 2 · 2⁵⁸
  const std::uint64_t x = multiply_wide(r << 11, static_cast<std::uint64_t>(whole * static_cast<double>(one))).high;
  const auto twos = static_cast<int>(x / log_two);
  // eʸ − 1 = y(1 + y/2 (1 + y/3 (…))), y from 0 to ln 2, as 64-bit fractions; 20 terms leave less than 2⁻⁶⁴.
  const std::uint64_t y = (x % log_two) << (64 - bits);
  std::uint64_t series = 0;
  for (std::uint64_t n = 20; n >= 1; --n) series = (y + multiply_wide(y, series).high) / n;
  return static_cast<std::int64_t>((one + (series >> (64 - bits))) >> (bits - twos));
}

// Log-uniform noise: the cumulative distribution is ln(j + 2)/ln(k + 1) at j, its inverse at u is ⌊(k + 1)ᵘ⌋ − 1. The
// exponentials of two machines may differ in their last bit: next to an integer, integers decide.
ONELOGIT_SHARED_INLINE std::int32_t log_uniform_class(std::uint64_t random, double whole, std::int64_t classes) {
  constexpr double unsure = 1e-13;
  const std::uint64_t r = random >> 11;
  const double power = std::exp(static_cast<double>(r) * 0x1p-53 * whole);
  auto floor_power = static_cast<std::int64_t>(power * (1 - unsure));
  if (floor_power != static_cast<std::int64_t>(power * (1 + unsure))) floor_power = floor_power_in_integers(r, whole);
  return static_cast<std::int32_t>(floor_power < 1 ? 0 : floor_power > classes ? classes - 1 : floor_power - 1);
}

ONELOGIT_SHARED_INLINE std::int32_t noise_class(const NoiseTables& noise, std::uint64_t random) {
  if (noise.kind == NoiseKind::log_uniform) return log_uniform_class(random, noise.whole, noise.classes);
  const WideProduct product = multiply_wide(random, static_cast<std::uint64_t>(noise.classes));
  const auto column = static_cast<std::int32_t>(product.high);  // product.low: where in it
  if (noise.kind == NoiseKind::uniform) return column;
  const NoiseColumn chosen = noise.columns[column];
  return product.low < chosen.keep || chosen.keep == noise_column_is_whole ? column : chosen.alias;
}

// 128 random bits make two draws: numbers 2·pair and 2·pair + 1 of a step.
struct NoisePair {
  std::uint64_t random[2];
};
ONELOGIT_SHARED_INLINE NoisePair noise_pair(const NoiseTables& noise, std::uint64_t step, std::uint64_t pair) {
  const PhiloxWords block = philox4x32(noise.key, pair, step);
  return {{static_cast<std::uint64_t>(block.word[0]) << 32 | block.word[1],
           static_cast<std::uint64_t>(block.word[2]) << 32 | block.word[3]}};
}

// ln(t q_j)
ONELOGIT_SHARED_INLINE float noise_log_weight(const NoiseTables& noise, std::int32_t j) {
  return noise.log_weights == nullptr ? noise.log_weight : noise.log_weights[j];
}

}  // namespace onelogit
