// The fused last layer against the unfused float64 reference: logits in full, the loss's gradient, and plain products.

#include "head/linear_loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "loss/noise.h"
#include "loss_reference.h"
#include "random_values.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

struct Problem {
  std::int64_t m, d, k;
  std::vector<float> hidden, weight, bias;
  std::vector<std::uint16_t> rounded;  // weight as bfloat16
  std::vector<std::int32_t> labels;
};

Problem random_problem(std::int64_t m, std::int64_t d, std::int64_t k, std::uint32_t seed, float spread = 1.0f) {
  Problem problem{m,
                  d,
                  k,
                  test::random_values(m * d, seed, -spread, spread),
                  test::random_values(k * d, seed + 1),
                  test::random_values(k, seed + 2),
                  {},
                  {}};
  std::mt19937 generator(seed + 3);
  // Few different labels on purpose: duplicates must add up.
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(std::min<std::int64_t>(k, m + 2) - 1));
  for (std::int64_t i = 0; i < m; ++i) problem.labels.push_back(label(generator));
  for (const float value : problem.weight) problem.rounded.push_back(float32_to_bfloat16(value));
  return problem;
}

struct Gradients {
  double value = 0;
  std::vector<double> hidden, weight, bias;
};

Gradients reference_gradients(const LossSpec& spec, const Problem& problem, bool bfloat16, bool with_bias,
                              const reference::Draws& draws) {
  const std::int64_t m = problem.m, d = problem.d, k = problem.k;
  std::vector<double> weight(problem.weight.begin(), problem.weight.end());
  if (bfloat16)
    for (std::size_t n = 0; n < weight.size(); ++n) weight[n] = bfloat16_to_float32(problem.rounded[n]);
  std::vector<double> z(static_cast<std::size_t>(m * k));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < k; ++j) {
      double sum = with_bias ? problem.bias[j] : 0;
      for (std::int64_t n = 0; n < d; ++n) sum += static_cast<double>(problem.hidden[i * d + n]) * weight[j * d + n];
      z[i * k + j] = sum;
    }
  const reference::Result loss = reference::loss(spec, z, problem.labels, k, draws);
  Gradients result;
  result.value = loss.value;
  result.hidden.assign(static_cast<std::size_t>(m * d), 0);
  result.weight.assign(static_cast<std::size_t>(k * d), 0);
  result.bias.assign(static_cast<std::size_t>(k), 0);
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < k; ++j) {
      const double g = loss.gradient[i * k + j];
      result.bias[j] += g;
      for (std::int64_t n = 0; n < d; ++n) {
        result.hidden[i * d + n] += g * weight[j * d + n];
        result.weight[j * d + n] += g * problem.hidden[i * d + n];
      }
    }
  return result;
}

double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (std::size_t n = 0; n < b.size(); ++n) {
    difference += (a[n] - b[n]) * (a[n] - b[n]);
    norm += b[n] * b[n];
  }
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

struct Computed {
  double value = 0;
  std::vector<float> hidden, weight, bias;
};

Computed compute(const LossSpec& spec, const Problem& problem, bool bfloat16, bool with_bias,
                 std::size_t workspace = default_linear_loss_workspace, std::uint64_t step = 0) {
  check_loss(spec, problem.k);
  constexpr float guard = 12345.0f;
  Computed result;
  // One more element than is theirs: it must stay as it is.
  result.hidden.assign(static_cast<std::size_t>(problem.m * problem.d) + 1, guard);
  result.weight.assign(static_cast<std::size_t>(problem.k * problem.d) + 1, guard);
  result.bias.assign(static_cast<std::size_t>(problem.k) + 1, guard);
  LinearLossArguments arguments;
  arguments.hidden = problem.hidden.data();
  arguments.weight = bfloat16 ? static_cast<const void*>(problem.rounded.data()) : problem.weight.data();
  arguments.weight_type = bfloat16 ? WeightType::bfloat16 : WeightType::float32;
  arguments.bias = with_bias ? problem.bias.data() : nullptr;
  arguments.labels = problem.labels.data();
  arguments.m = problem.m;
  arguments.d = problem.d;
  arguments.k = problem.k;
  arguments.step = step;
  arguments.gradient_hidden = result.hidden.data();
  arguments.gradient_weight = result.weight.data();
  arguments.gradient_bias = result.bias.data();
  const auto kernel = cpu_backend().make_linear_loss(spec, problem.m + 3, problem.d, problem.k, workspace);
  // Twice: what a run leaves behind must not reach the next.
  kernel->run(arguments, &result.value);
  kernel->run(arguments, &result.value);
  for (std::vector<float>* values : {&result.hidden, &result.weight, &result.bias}) {
    CHECK(values->back() == guard);
    values->pop_back();
  }
  double value_alone = 0;
  arguments.gradient_hidden = arguments.gradient_weight = arguments.gradient_bias = nullptr;
  kernel->run(arguments, &value_alone);
  CHECK((value_alone == result.value || (std::isnan(value_alone) && std::isnan(result.value))));
  return result;
}

std::vector<LossSpec> all_losses() {
  std::vector<LossSpec> specs;
  for (const LossKind kind :
       {LossKind::cross_entropy, LossKind::max_margin, LossKind::self_normalization, LossKind::nce,
        LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin})
    specs.push_back(LossSpec{.kind = kind});
  LossSpec sampled{.kind = LossKind::nce, .num_sampled = 20, .noise = NoiseKind::log_uniform, .seed = 7};
  specs.push_back(sampled);
  sampled.remove_accidental_hits = true;
  specs.push_back(sampled);
  sampled.samples = NoiseSamples::per_example;
  specs.push_back(sampled);
  specs.push_back(LossSpec{.kind = LossKind::cross_entropy, .reduction = Reduction::sum});
  specs.push_back(LossSpec{.kind = LossKind::binary_cross_entropy, .reduction = Reduction::sum});
  return specs;
}

reference::Draws draws_of(const LossSpec& spec, const Problem& problem, std::uint64_t step) {
  reference::Draws draws;
  if (spec.num_sampled == 0) return draws;
  const NoiseSampler sampler(spec, problem.k);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    draws.emplace_back();
    for (std::int64_t s = 0; s < spec.num_sampled; ++s)
      draws.back().push_back(sampler.draw(
          step,
          static_cast<std::uint64_t>((spec.samples == NoiseSamples::per_example ? i * spec.num_sampled : 0) + s)));
  }
  return draws;
}

void compare(const LossSpec& spec, const Problem& problem, bool bfloat16, bool with_bias, std::size_t workspace) {
  constexpr std::uint64_t step = 3;
  const Gradients expected = reference_gradients(spec, problem, bfloat16, with_bias, draws_of(spec, problem, step));
  const Computed computed = compute(spec, problem, bfloat16, with_bias, workspace, step);
  CAPTURE(loss_name(spec.kind));
  CAPTURE(spec.num_sampled);
  CAPTURE(problem.m);
  CAPTURE(problem.d);
  CAPTURE(problem.k);
  CAPTURE(workspace);
  CHECK(computed.value == doctest::Approx(expected.value).epsilon(1e-5));
  CHECK(relative_error(computed.hidden, expected.hidden) < 3e-4);
  CHECK(relative_error(computed.weight, expected.weight) < 3e-4);
  CHECK(relative_error(computed.bias, expected.bias) < 3e-4);
}

TEST_CASE("linear loss: every loss equals the unfused float64 reference over random shapes and block sizes") {
  std::uint32_t seed = 1;
  for (const LossSpec& spec : all_losses())
    for (const auto& [m, d, k] : {std::tuple<std::int64_t, std::int64_t, std::int64_t>{1, 1, 2},
                                  {1, 5, 300},
                                  {3, 17, 33},
                                  {32, 24, 700},
                                  {7, 64, 1000},
                                  {130, 3, 129}})
      // From one class a block to everything in one.
      for (const std::size_t workspace :
           {std::size_t{1}, std::size_t{3000}, std::size_t{40000}, default_linear_loss_workspace})
        for (const bool bfloat16 : {false, true}) {
          ++seed;
          compare(spec, random_problem(m, d, k, seed), bfloat16, seed % 3 != 0, workspace);
        }
}

TEST_CASE("linear loss: logits of ±1e4 stay finite and right") {
  for (const LossSpec& spec : all_losses()) {
    Problem problem = random_problem(6, 4, 90, 11);
    for (float& value : problem.hidden) value *= 5000.0f;
    const Gradients expected = reference_gradients(spec, problem, false, true, draws_of(spec, problem, 0));
    const Computed computed = compute(spec, problem, false, true, 2000);
    CAPTURE(loss_name(spec.kind));
    CHECK(std::isfinite(computed.value));
    // A float32 logit of 1e4 is known to 1e-3 only: exponentials of it to about as much.
    CHECK(computed.value == doctest::Approx(expected.value).epsilon(1e-4));
    CHECK(relative_error(computed.hidden, expected.hidden) < 5e-3);
  }
}

TEST_CASE("linear loss: a NaN shows in the value") {
  for (const LossSpec& spec : all_losses()) {
    Problem problem = random_problem(4, 8, 500, 12);
    problem.hidden[9] = std::numeric_limits<float>::quiet_NaN();
    CHECK(std::isnan(compute(spec, problem, false, true, 5000).value));
  }
}

TEST_CASE("linear loss: ties go to the lowest class however the classes are cut") {
  Problem problem = random_problem(2, 4, 400, 13);
  for (std::int64_t j = 0; j < problem.k; ++j)
    for (std::int64_t n = 0; n < problem.d; ++n) problem.weight[j * problem.d + n] = problem.weight[n];
  problem.labels = {5, 399};
  for (const LossKind kind : {LossKind::max_margin, LossKind::batch_max_margin})
    for (const std::size_t workspace : {std::size_t{1}, std::size_t{9000}, default_linear_loss_workspace}) {
      const Computed computed = compute(LossSpec{.kind = kind}, problem, false, false, workspace);
      // Rows 0 and 1 both have class 0 as their largest false one.
      for (std::int64_t j = 1; j < problem.k; ++j)
        if (j != 5 && j != 399) CHECK(computed.bias[j] == 0.0f);
      CHECK(computed.bias[0] > 0.0f);
    }
}

}  // namespace
}  // namespace onelogit
