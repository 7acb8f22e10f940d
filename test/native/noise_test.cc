// The noise distributions of nce and their draws, beyond what lossAndGradient can show: many classes, extreme weights,
// the numbering of draws.

#include "loss/noise.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace onelogit {
namespace {

LossSpec noise_spec(NoiseKind kind, std::int64_t k, std::uint64_t seed = 0) {
  LossSpec spec;
  spec.kind = LossKind::nce;
  spec.num_sampled = 1;
  spec.noise = kind;
  spec.seed = seed;
  if (kind == NoiseKind::weights)
    for (std::int64_t j = 0; j < k; ++j) spec.noise_weights.push_back(3.0f + static_cast<float>((j * 7919) % 1009));
  if (kind == NoiseKind::unigram) {
    std::vector<std::int64_t> counts;
    for (std::int64_t j = 0; j < k; ++j) counts.push_back(j % 3 == 0 ? 0 : j * j);
    set_unigram_counts(spec, counts.data(), k);
  }
  return spec;
}

// Chi-square as standard deviations of its normal approximation (Wilson and Hilferty); neighbouring classes are taken
// together until they expect 10 draws.
double chi_square_deviations(const std::vector<std::int64_t>& counts, const std::vector<double>& q, double draws) {
  double statistic = 0, count = 0, expected = 0;
  int cells = 0;
  for (std::size_t j = 0; j < q.size(); ++j) {
    count += static_cast<double>(counts[j]);
    expected += draws * q[j];
    if (expected < 10) continue;
    statistic += (count - expected) * (count - expected) / expected;
    ++cells;
    count = expected = 0;
  }
  const double degrees = cells - 1;
  return (std::cbrt(statistic / degrees) - (1 - 2 / (9 * degrees))) / std::sqrt(2 / (9 * degrees));
}

constexpr NoiseKind kinds[] = {NoiseKind::uniform, NoiseKind::log_uniform, NoiseKind::weights, NoiseKind::unigram};

}  // namespace

TEST_CASE("noise distributions add up to 1 and follow their formulas") {
  for (const NoiseKind kind : kinds)
    for (const std::int64_t k : {1, 2, 1000}) {
      const std::vector<double> q = noise_distribution(noise_spec(kind, k), k);
      REQUIRE(q.size() == static_cast<std::size_t>(k));
      CHECK(std::accumulate(q.begin(), q.end(), 0.0) == doctest::Approx(1.0).epsilon(1e-12));
      for (const double share : q) CHECK(share > 0);
    }
  CHECK(noise_distribution(noise_spec(NoiseKind::log_uniform, 10), 10)[3] ==
        doctest::Approx(std::log(5.0 / 4) / std::log(11.0)));
  // (count + 1)/(n + k): counts 0, 1, 4 → 1/8, 2/8, 5/8.
  const std::vector<double> q = noise_distribution(noise_spec(NoiseKind::unigram, 3), 3);
  CHECK(q == std::vector<double>{0.125, 0.25, 0.625});
}

TEST_CASE("noise draws have their distribution's frequencies") {
  constexpr std::int64_t draws = 400'000;
  for (const NoiseKind kind : kinds)
    for (const std::int64_t k : {2, 37, 1000, 100'000})
      for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 40}) {
        const LossSpec spec = noise_spec(kind, k, seed);
        const NoiseSampler sampler(spec, k);
        std::vector<std::int32_t> drawn(draws);
        sampler.draws(seed + 3, 0, draws, drawn.data());
        std::vector<std::int64_t> counts(static_cast<std::size_t>(k));
        REQUIRE(std::all_of(drawn.begin(), drawn.end(), [&](std::int32_t j) { return j >= 0 && j < k; }));
        for (const std::int32_t j : drawn) ++counts[j];
        CAPTURE(static_cast<int>(kind));
        CAPTURE(k);
        CHECK(std::abs(chi_square_deviations(counts, noise_distribution(spec, k), draws)) < 4.5);
      }
}

TEST_CASE("log-uniform draws do not depend on the exponential's last bits") {
  for (const std::int64_t k : {1LL, 2LL, 9LL, 1000LL, 1'000'003LL, 2'147'483'647LL}) {
    const auto size = static_cast<double>(k);
    const double whole = std::log1p(size);
    std::uint64_t random = 1;
    for (int n = 0; n < 20'000; ++n) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      const std::uint64_t r = random >> 11;
      const double power = std::exp(static_cast<double>(r) * 0x1p-53 * whole);
      if (std::abs(power - std::round(power)) < 1e-12 * power) continue;
      REQUIRE(floor_power_in_integers(r, whole) == static_cast<std::int64_t>(power));
    }
    // Where the integers decide: the first r of each class, as they see it, and their neighbours.
    for (const std::int64_t j : {std::int64_t{0}, k / 3, k - 1}) {
      const double u = std::log1p(static_cast<double>(j)) / whole;
      std::uint64_t low = 0, high = (1ULL << 53) - 1;
      while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        if (floor_power_in_integers(middle, whole) > j)
          high = middle;
        else
          low = middle + 1;
      }
      CHECK(static_cast<double>(low) * 0x1p-53 == doctest::Approx(u).epsilon(1e-12));
      CHECK(log_uniform_class(low << 11, whole, k) == j);
      if (j > 0) CHECK(log_uniform_class((low - 1) << 11, whole, k) == j - 1);
    }
  }
  CHECK(log_uniform_class(0, std::log1p(10.0), 10) == 0);
  CHECK(log_uniform_class(~0ULL, std::log1p(10.0), 10) == 9);
}

TEST_CASE("extreme weights are drawn in proportion") {
  LossSpec spec = noise_spec(NoiseKind::uniform, 3);
  spec.noise = NoiseKind::weights;
  spec.noise_weights = {1e-38f, 3e38f, 1e30f};
  const NoiseSampler sampler(spec, 3);
  std::vector<std::int32_t> drawn(10'000);
  sampler.draws(0, 0, 10'000, drawn.data());
  CHECK(std::all_of(drawn.begin(), drawn.end(), [](std::int32_t j) { return j == 1; }));
  CHECK(sampler.log_weight(0) == doctest::Approx(std::log(1e-38 / 3e38)).epsilon(1e-4));
}

TEST_CASE("a draw is a function of seed, step and number alone") {
  for (const NoiseKind kind : kinds) {
    const NoiseSampler sampler(noise_spec(kind, 500, 9), 500), other(noise_spec(kind, 500, 10), 500);
    std::vector<std::int32_t> all(101), part(50), next_step(101), other_seed(101);
    sampler.draws(4, 0, 101, all.data());
    for (std::uint64_t number = 0; number < 101; ++number) CHECK(sampler.draw(4, number) == all[number]);
    for (const std::uint64_t first : {0ULL, 1ULL, 2ULL, 51ULL}) {
      sampler.draws(4, first, 50, part.data());
      CHECK(std::equal(part.begin(), part.end(), all.begin() + static_cast<std::ptrdiff_t>(first)));
    }
    sampler.draws(5, 0, 101, next_step.data());
    other.draws(4, 0, 101, other_seed.data());
    CHECK(next_step != all);
    CHECK(other_seed != all);
  }
}

TEST_CASE("ln(t q) of a class is that of its distribution") {
  for (const NoiseKind kind : kinds) {
    LossSpec spec = noise_spec(kind, 300);
    spec.noise_ratio = 7.5;
    const NoiseSampler sampler(spec, 300);
    const std::vector<double> q = noise_distribution(spec, 300);
    for (std::int32_t j = 0; j < 300; ++j)
      CHECK(sampler.log_weight(j) == doctest::Approx(std::log(7.5 * q[j])).epsilon(1e-6));
  }
}

}  // namespace onelogit
