// The CPU losses against the float64 reference and against finite differences, over random, edge and hostile shapes and
// values.

#include "loss/loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "backend/cpu/cpu_loss.h"
#include "error.h"
#include "loss/noise.h"
#include "loss_reference.h"

namespace onelogit {
namespace {

constexpr LossKind all_kinds[] = {
    LossKind::cross_entropy,        LossKind::max_margin,          LossKind::self_normalization, LossKind::nce,
    LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin};
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

bool is_margin(LossKind kind) { return kind == LossKind::max_margin || kind == LossKind::batch_max_margin; }
bool is_batch(LossKind kind) { return kind == LossKind::batch_cross_entropy || kind == LossKind::batch_max_margin; }

struct Problem {
  std::int64_t m, k;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
  std::vector<double> logits64() const { return {logits.begin(), logits.end()}; }
};

Problem random_problem(std::int64_t m, std::int64_t k, double spread, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal(0, spread);
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(k - 1));
  Problem problem{m, k, std::vector<float>(static_cast<std::size_t>(m * k)),
                  std::vector<std::int32_t>(static_cast<std::size_t>(m))};
  for (float& value : problem.logits) value = static_cast<float>(normal(generator));
  for (std::int32_t& y : problem.labels) y = label(generator);
  return problem;
}

struct Computed {
  double value;
  std::vector<float> gradient;
};

Computed compute(const LossSpec& spec, const Problem& problem, std::uint64_t step = 0) {
  check_loss(spec, problem.k);
  const auto kernel = make_cpu_loss(spec, problem.k, problem.m);
  // What is written must be all of the gradient and nothing beside it.
  std::vector<float> guarded(problem.logits.size() + 32, 12345.0f);
  double value = 0, value_alone = 0;
  kernel->value_and_gradient(problem.logits.data(), problem.labels.data(), problem.m, step, &value,
                             guarded.data() + 16);
  for (int i = 0; i < 16; ++i) REQUIRE((guarded[i] == 12345.0f && guarded[guarded.size() - 1 - i] == 12345.0f));
  kernel->value_and_gradient(problem.logits.data(), problem.labels.data(), problem.m, step, &value_alone, nullptr);
  if (std::isfinite(value)) {
    CHECK(value_alone == doctest::Approx(value).epsilon(1e-12));
  } else {
    CHECK((value_alone == value || (std::isnan(value_alone) && std::isnan(value))));
  }
  return {value, {guarded.begin() + 16, guarded.end() - 16}};
}

double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (std::size_t n = 0; n < b.size(); ++n) {
    difference += (a[n] - b[n]) * (a[n] - b[n]);
    norm += b[n] * b[n];
  }
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

reference::Draws draws_of(const LossSpec& spec, const Problem& problem, std::uint64_t step) {
  reference::Draws draws;
  if (spec.num_sampled == 0) return draws;
  const NoiseSampler sampler(spec, problem.k);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    draws.emplace_back();
    for (std::int64_t s = 0; s < spec.num_sampled; ++s)
      draws.back().push_back(sampler.draw(
          step, static_cast<std::uint64_t>(spec.samples == NoiseSamples::shared ? s : i * spec.num_sampled + s)));
  }
  return draws;
}

void check_against_reference(const LossSpec& spec, const Problem& problem, std::uint64_t step = 0) {
  CAPTURE(std::string(loss_name(spec.kind)));
  CAPTURE(problem.m);
  CAPTURE(problem.k);
  const Computed computed = compute(spec, problem, step);
  const reference::Result expected =
      reference::loss(spec, problem.logits64(), problem.labels, problem.k, draws_of(spec, problem, step));
  CHECK(computed.value == doctest::Approx(expected.value).epsilon(2e-6).scale(1e-3));
  CHECK(relative_error(computed.gradient, expected.gradient) <= (is_margin(spec.kind) ? 1e-7 : 1e-5));
}

std::vector<LossSpec> nce_variants(std::int64_t k) {
  std::vector<LossSpec> variants;
  for (const NoiseKind noise : {NoiseKind::uniform, NoiseKind::log_uniform, NoiseKind::weights, NoiseKind::unigram})
    for (const std::int64_t sampled : {0, 1, 7, 300})
      for (const double ratio : {0.0, 2.5})
        for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example}) {
          LossSpec spec{.kind = LossKind::nce, .noise_ratio = ratio, .num_sampled = sampled, .noise = noise};
          spec.samples = samples;
          spec.remove_accidental_hits = sampled == 7;
          spec.seed = static_cast<std::uint64_t>(sampled) + 5;
          if (noise == NoiseKind::weights)
            for (std::int64_t j = 0; j < k; ++j) spec.noise_weights.push_back(0.25f + static_cast<float>(j % 5));
          if (noise == NoiseKind::unigram) {
            std::vector<std::int64_t> counts;
            for (std::int64_t j = 0; j < k; ++j) counts.push_back(j * j % 11);
            set_unigram_counts(spec, counts.data(), k);
          }
          variants.push_back(spec);
        }
  return variants;
}

}  // namespace

TEST_CASE("losses equal the float64 reference over shapes") {
  const std::pair<std::int64_t, std::int64_t> shapes[] = {
      {1, 1},    {1, 2},     {2, 2},      {5, 3},     {3, 16},   {7, 17},   {4, 31},   {4, 33},
      {128, 10}, {32, 1000}, {1, 100000}, {3, 16385}, {2, 8192}, {300, 64}, {5000, 2}, {9, 40001}};
  std::uint32_t seed = 1;
  for (const auto& [m, k] : shapes)
    for (const double spread : {1.0, 8.0})
      for (const LossKind kind : all_kinds) {
        if (is_margin(kind) && k < 2) continue;
        check_against_reference({.kind = kind}, random_problem(m, k, spread, ++seed));
      }
}

TEST_CASE("losses equal the reference with other options") {
  const Problem problem = random_problem(6, 40, 2, 7);
  for (const LossKind kind : all_kinds) {
    check_against_reference({.kind = kind, .margin = 0.3f, .alpha = 2.0f}, problem);
    check_against_reference({.kind = kind, .margin = 30.0f, .alpha = 1e-3f}, problem);
    if (!is_batch(kind)) check_against_reference({.kind = kind, .reduction = Reduction::sum}, problem);
  }
}

TEST_CASE("nce equals the reference for every noise distribution and way of sampling") {
  for (const auto& [m, k] : {std::pair<std::int64_t, std::int64_t>{5, 12}, {1, 1}, {33, 700}})
    for (const LossSpec& spec : nce_variants(k)) check_against_reference(spec, random_problem(m, k, 2, 3), 11);
}

TEST_CASE("logits of ±1e4 give finite values and gradients") {
  for (const std::int64_t k : {2, 10, 1000, 20000})
    for (const LossKind kind : all_kinds) {
      Problem problem = random_problem(8, k, 1, 5);
      for (std::size_t n = 0; n < problem.logits.size(); ++n)
        problem.logits[n] = (n * 7 % 3 == 0 ? 1e4f
                             : n % 2        ? -1e4f
                                            : 1e4f - 0.25f) +
                            (n % 5 == 0 ? 0.0f : problem.logits[n] / 64);
      const Computed computed = compute({.kind = kind}, problem);
      CHECK(std::isfinite(computed.value));
      for (const float g : computed.gradient) REQUIRE(std::isfinite(g));
      check_against_reference({.kind = kind}, problem);
    }
}

TEST_CASE("gradients equal finite differences of the float64 value") {
  for (const LossKind kind : all_kinds)
    for (const auto& [m, k] : {std::pair<std::int64_t, std::int64_t>{1, 2}, {4, 5}, {3, 9}}) {
      const Problem problem = random_problem(m, k, 1.5, 21);
      const LossSpec spec{.kind = kind, .noise_ratio = 3, .noise = NoiseKind::log_uniform};
      const Computed computed = compute(spec, problem);
      std::vector<double> difference(problem.logits.size());
      const double h = 1e-5;
      for (std::size_t n = 0; n < difference.size(); ++n) {
        std::vector<double> up = problem.logits64(), down = up;
        up[n] += h;
        down[n] -= h;
        difference[n] = (reference::loss(spec, up, problem.labels, k).value -
                         reference::loss(spec, down, problem.labels, k).value) /
                        (2 * h);
      }
      CAPTURE(std::string(loss_name(kind)));
      CHECK(relative_error(computed.gradient, difference) <= 1e-5);
    }
}

TEST_CASE("ties go to the lowest flat index, at any distance") {
  for (const std::int64_t k : {2, 7, 50, 16384, 16385, 50000}) {
    Problem problem{
        3, k, std::vector<float>(static_cast<std::size_t>(3 * k), 0.5f), {0, 1, static_cast<std::int32_t>(k - 1)}};
    for (const LossKind kind : {LossKind::max_margin, LossKind::batch_max_margin}) {
      check_against_reference({.kind = kind}, problem);
      const Computed computed = compute({.kind = kind}, problem);
      CHECK(computed.value == doctest::Approx(kind == LossKind::max_margin ? 1.0 : 4.0 / 3));
      // Row 0's label is 0, so its false maximum is at 1; row 1 and 2 at 0. The batch's: true at row 0, false at (0,
      // 1).
      const float share = 1.0f / 3, twice = kind == LossKind::max_margin ? share : share + share;
      CHECK(computed.gradient[0] == -twice);
      CHECK(computed.gradient[1] == twice);
      CHECK(computed.gradient[k] == share);
    }
    // All but a pair of equal maxima, far apart.
    problem.logits[2 * k - 1] = problem.logits[k + k / 2] = 3.0f;
    for (const LossKind kind : {LossKind::max_margin, LossKind::batch_max_margin})
      check_against_reference({.kind = kind}, problem);
  }
}

TEST_CASE("a hinge of exactly 0 has gradient 0") {
  const Problem problem{2, 3, {2.0f, 1.0f, 0.5f, 0.25f, 1.25f, -1.0f}, {0, 1}};
  const Computed computed = compute({.kind = LossKind::max_margin}, problem);
  CHECK(computed.value == 0);
  for (const float g : computed.gradient) CHECK(g == 0);
  // The batch hinge: smallest true 1.25, largest false 1 → 0.75 above 0; with margin 0.25, exactly 0.
  const Computed batch = compute({.kind = LossKind::batch_max_margin, .margin = 0.25f}, problem);
  CHECK(batch.value == 0);
  for (const float g : batch.gradient) CHECK(g == 0);
}

TEST_CASE("NaN in, NaN out") {
  for (const LossKind kind : all_kinds)
    for (const std::int64_t k : {2, 3, 16, 1000, 20000})
      for (const std::int64_t at : {std::int64_t{0}, std::int64_t{1}, k - 1}) {
        Problem problem = random_problem(3, k, 1, 4);
        problem.labels = {0, 1, static_cast<std::int32_t>(k - 1)};
        problem.logits[k + at] = nan;
        CAPTURE(std::string(loss_name(kind)));
        CHECK(std::isnan(compute({.kind = kind}, problem).value));
      }
}

TEST_CASE("infinities give what the formula gives, or NaN, and never an index out of range") {
  for (const LossKind kind : all_kinds)
    for (const float extreme : {infinity, -infinity})
      for (const std::int64_t k : {2, 5, 20000})
        for (int pattern = 0; pattern < 4; ++pattern) {
          Problem problem = random_problem(2, k, 1, 6);
          for (std::int64_t n = 0; n < 2 * k; ++n)
            if (pattern == 0 || (pattern == 1 && n % 2) || (pattern == 2 && n == problem.labels[0]) ||
                (pattern == 3 && n != problem.labels[0] && n < k))
              problem.logits[n] = extreme;
          const double value = compute({.kind = kind}, problem).value;
          CHECK((std::isnan(value) || value >= 0));
        }
  // Impossible false classes are no reason for NaN.
  for (const LossKind kind : all_kinds) {
    const Problem problem{1, 3, {0.0f, 1.0f, -infinity}, {1}};
    CHECK(std::isfinite(compute({.kind = kind}, problem).value));
  }
}

TEST_CASE("batch-cross-entropy of one example is cross-entropy, and its gradients add up to 0") {
  for (const std::int64_t k : {1, 2, 10, 3000, 70000}) {
    const Problem problem = random_problem(1, k, 3, 8);
    const Computed one = compute({.kind = LossKind::cross_entropy}, problem),
                   batch = compute({.kind = LossKind::batch_cross_entropy}, problem);
    CHECK(batch.value == doctest::Approx(one.value).epsilon(1e-7));
    CHECK(relative_error(batch.gradient, {one.gradient.begin(), one.gradient.end()}) < 1e-6);
  }
  const Computed batch = compute({.kind = LossKind::batch_cross_entropy}, random_problem(256, 1000, 1, 9));
  double sum = 0;
  for (const float g : batch.gradient) sum += static_cast<double>(g);
  CHECK(std::abs(sum) < 1e-6);
}

TEST_CASE("a converged batch keeps its digits") {
  // p_y − 1 is about −k e⁻²⁰, 10⁻⁷: in float32, 1 − p would be 0 or have one digit.
  const std::int64_t k = 50;
  Problem problem{2, k, std::vector<float>(2 * k, -10.0f), {3, 40}};
  problem.logits[3] = problem.logits[k + 40] = 10.0f;
  for (const LossKind kind : {LossKind::cross_entropy, LossKind::batch_cross_entropy, LossKind::self_normalization,
                              LossKind::binary_cross_entropy}) {
    const Computed computed = compute({.kind = kind, .alpha = 1e-12f}, problem);
    const reference::Result expected =
        reference::loss({.kind = kind, .alpha = 1e-12f}, problem.logits64(), problem.labels, k);
    CHECK(relative_error(computed.gradient, expected.gradient) < 1e-4);
    CHECK(computed.value == doctest::Approx(expected.value).epsilon(1e-4));
  }
}

TEST_CASE("losses refuse what does not fit") {
  const auto code = [](const LossSpec& spec, std::int64_t k) -> std::string {
    try {
      check_loss(spec, k);
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  for (const LossKind kind : all_kinds) {
    CHECK(code({.kind = kind}, 2).empty());
    CHECK(code({.kind = kind}, 0) == "ERR_ONELOGIT_RANGE");
    CHECK(code({.kind = kind}, 1) == (is_margin(kind) ? "ERR_ONELOGIT_RANGE" : ""));
    CHECK(code({.kind = kind}, std::int64_t{1} << 31) == "ERR_ONELOGIT_RANGE");
    CHECK(code({.kind = kind, .reduction = Reduction::sum}, 5) == (is_batch(kind) ? "ERR_ONELOGIT_RANGE" : ""));
    for (const float bad : {0.0f, -1.0f, nan, infinity}) {
      CHECK(code({.kind = kind, .margin = bad}, 5) == (is_margin(kind) ? "ERR_ONELOGIT_RANGE" : ""));
      CHECK(code({.kind = kind, .alpha = bad}, 5) ==
            (kind == LossKind::self_normalization ? "ERR_ONELOGIT_RANGE" : ""));
    }
  }
  CHECK(code({.kind = LossKind::nce, .noise_ratio = -1}, 5) == "ERR_ONELOGIT_RANGE");
  CHECK(code({.kind = LossKind::nce, .noise_ratio = std::nan("")}, 5) == "ERR_ONELOGIT_RANGE");
  CHECK(code({.kind = LossKind::nce, .num_sampled = -1}, 5) == "ERR_ONELOGIT_RANGE");
  CHECK(code({.kind = LossKind::nce, .noise = NoiseKind::unigram}, 5) == "ERR_ONELOGIT_NOISE");
  CHECK(code({.kind = LossKind::nce, .noise = NoiseKind::weights, .noise_weights = {1, 2}}, 3) ==
        "ERR_ONELOGIT_LENGTH");
  for (const float bad : {0.0f, -1.0f, nan, infinity})
    CHECK(code({.kind = LossKind::nce, .noise = NoiseKind::weights, .noise_weights = {1, bad, 2}}, 3) ==
          "ERR_ONELOGIT_NOISE");

  CHECK_THROWS_AS(loss_kind_from_name("softmax"), Error);
  for (const LossKind kind : all_kinds) CHECK(loss_kind_from_name(loss_name(kind)) == kind);
  const std::int32_t labels[] = {0, 4, 5};
  CHECK_NOTHROW(check_labels(labels, 2, 5));
  CHECK_THROWS_WITH_AS(check_labels(labels, 3, 5), "Expected labels from 0 to 4 for labels but received 5 at index 2",
                       Error);
}

TEST_CASE("prior biases start each loss where it says") {
  const std::int64_t k = 1000;
  CHECK(prior_bias({.kind = LossKind::cross_entropy}, k).empty());
  CHECK(prior_bias({.kind = LossKind::batch_cross_entropy}, k).empty());
  CHECK(prior_bias({.kind = LossKind::binary_cross_entropy}, 1).front() == 0.0f);
  const auto start = [&](LossSpec spec) {
    Problem problem{1, k, prior_bias(spec, k), {3}};
    return compute(spec, problem).value;
  };
  // ln k + (k−1) ln(k/(k−1)); ln k exactly; (1 + t) ln(1 + t) − t ln t at t = k.
  CHECK(start({.kind = LossKind::binary_cross_entropy}) ==
        doctest::Approx(std::log(1000.0) + 999 * std::log(1000.0 / 999)));
  CHECK(start({.kind = LossKind::self_normalization}) == doctest::Approx(std::log(1000.0)));
  CHECK(start({.kind = LossKind::nce, .noise = NoiseKind::log_uniform}) ==
        doctest::Approx(std::log(1001.0) + 1000 * std::log(1001.0 / 1000)));
}

}  // namespace onelogit
