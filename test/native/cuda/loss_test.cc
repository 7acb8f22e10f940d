// The CUDA losses against the CPU's, which are held against float64 in ../loss_test.cc: over shapes that take every
// path, options, hostile values; with the same bits in every order of threads.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "backend/backend.h"
#include "backend/cuda/cuda_loss.h"
#include "device_array.h"
#include "error.h"
#include "random_values.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::infinity;
using test::nan;
using test::orders;

struct Problem {
  std::int64_t m, k;
  std::vector<float> logits;
  std::vector<std::int32_t> labels;
};

// Labels repeat where m > k / 3.
Problem random_problem(std::int64_t m, std::int64_t k, std::uint32_t seed, float spread = 4.0f) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(k / 3));
  Problem problem{m, k, test::random_values(m * k, seed, -spread, spread), {}};
  for (std::int64_t i = 0; i < m; ++i)
    problem.labels.push_back(i % 2 ? label(engine) : static_cast<int>(k) - 1 - label(engine));
  return problem;
}

struct Computed {
  double value = 0;
  std::vector<float> gradient;
};

Computed on_cpu(const LossSpec& spec, const Problem& problem, std::uint64_t step) {
  Computed result{0, std::vector<float>(problem.logits.size())};
  const auto loss = cpu_backend().make_loss(spec, problem.k, problem.m);
  loss->value_and_gradient(problem.logits.data(), problem.labels.data(), problem.m, step, &result.value,
                           result.gradient.data());
  return result;
}

bool same_bits(const void* a, const void* b, std::size_t bytes) { return std::memcmp(a, b, bytes) == 0; }

// `shift`: how many floats past an aligned address logits and gradient begin.
Computed on_cuda(const LossSpec& spec, const Problem& problem, std::uint64_t step, cuda_host::Order order,
                 std::size_t shift = 0) {
  check_loss(spec, problem.k);
  cuda_host::set_order(order);
  const std::size_t size = problem.logits.size();
  std::vector<float> shifted(shift, nan);
  shifted.insert(shifted.end(), problem.logits.begin(), problem.logits.end());
  DeviceArray<float> logits(shifted), gradient(shift + size + 4);
  DeviceArray<std::int32_t> labels(problem.labels);
  DeviceArray<double> values(2);
  cuda::Step now(nullptr);
  // Room for more examples than come.
  const auto loss = cuda::make_cuda_loss(nullptr, now, spec, problem.k, problem.m + 3);
  loss->value_and_gradient(logits.data() + shift, labels.data(), problem.m, step, values.data(),
                           gradient.data() + shift);
  loss->value_and_gradient(logits.data() + shift, labels.data(), problem.m, step, values.data() + 1, nullptr);
  cuda_host::set_order({});

  const std::vector<float> written = gradient.host();
  // What was there before: nothing around the gradient is touched.
  for (std::size_t n = 0; n < shift; ++n) REQUIRE(std::isnan(written[n]));
  for (std::size_t n = shift + size; n < written.size(); ++n) REQUIRE(std::isnan(written[n]));
  const std::vector<double> value = values.host();
  CHECK((same_bits(&value[0], &value[1], sizeof(double)) || (std::isnan(value[0]) && std::isnan(value[1]))));
  const auto begin = written.begin() + static_cast<std::ptrdiff_t>(shift);
  return {value[0], {begin, begin + static_cast<std::ptrdiff_t>(size)}};
}

// ‖a − b‖ / ‖b‖ over the entries that are numbers; infinite where only one of two is.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t n = 0; n < b.size(); ++n) {
    if (std::isnan(a[n]) != std::isnan(b[n])) return static_cast<double>(infinity);
    if (std::isnan(b[n]) || a[n] == b[n]) continue;
    const double apart = static_cast<double>(a[n]) - static_cast<double>(b[n]);
    difference += apart * apart;
  }
  for (const float value : b)
    if (std::isfinite(value)) norm += static_cast<double>(value) * static_cast<double>(value);
  return norm == 0 ? std::sqrt(difference) : std::sqrt(difference / norm);
}

bool is_margin(LossKind kind) { return kind == LossKind::max_margin || kind == LossKind::batch_max_margin; }
bool is_batch(LossKind kind) { return kind == LossKind::batch_cross_entropy || kind == LossKind::batch_max_margin; }

void check_equal(const LossSpec& spec, const Computed& cuda, const Computed& cpu) {
  if (std::isfinite(cpu.value))
    CHECK(std::abs(cuda.value - cpu.value) <= 1e-6 * std::abs(cpu.value) + 1e-7);
  else
    CHECK((cuda.value == cpu.value || (std::isnan(cuda.value) && std::isnan(cpu.value))));
  // The CPU adds a class's draws up in float32, one by one, where they are of each example.
  const bool adds_draws = spec.num_sampled > 0 && spec.samples == NoiseSamples::per_example;
  CHECK(relative_error(cuda.gradient, cpu.gradient) <= (is_margin(spec.kind) ? 0.0 : adds_draws ? 1e-5 : 1e-6));
}

Computed check_against_cpu(const LossSpec& spec, const Problem& problem, cuda_host::Order order = {},
                           std::uint64_t step = 0, std::size_t shift = 0) {
  CAPTURE(std::string(loss_name(spec.kind)));
  CAPTURE(problem.m);
  CAPTURE(problem.k);
  CAPTURE(shift);
  Computed cuda = on_cuda(spec, problem, step, order, shift);
  check_equal(spec, cuda, on_cpu(spec, problem, step));
  return cuda;
}

void check_in_every_order(const LossSpec& spec, const Problem& problem, std::uint64_t step = 0) {
  Computed first;
  for (const auto& order : orders()) {
    CAPTURE(order.name);
    const Computed computed = check_against_cpu(spec, problem, order.order, step);
    if (first.gradient.empty()) first = computed;
    CHECK(same_bits(&computed.value, &first.value, sizeof(double)));
    CHECK(same_bits(computed.gradient.data(), first.gradient.data(), sizeof(float) * first.gradient.size()));
  }
}

constexpr LossKind all_kinds[] = {
    LossKind::cross_entropy,        LossKind::max_margin,          LossKind::self_normalization, LossKind::nce,
    LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin};

std::vector<LossSpec> variants(std::int64_t k) {
  std::vector<LossSpec> all;
  for (const LossKind kind : all_kinds) {
    if (is_margin(kind) && k < 2) continue;
    all.push_back({.kind = kind});
  }
  all.push_back({.kind = LossKind::nce, .num_sampled = 40});
  return all;
}

std::vector<LossSpec> nce_variants(std::int64_t k) {
  std::vector<LossSpec> all;
  for (const NoiseKind noise : {NoiseKind::uniform, NoiseKind::log_uniform, NoiseKind::weights, NoiseKind::unigram})
    for (const std::int64_t sampled : {0, 1, 7, 300})
      for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example}) {
        if (sampled == 0 && samples == NoiseSamples::per_example) continue;
        LossSpec spec{.kind = LossKind::nce, .num_sampled = sampled, .noise = noise};
        spec.noise_ratio = sampled == 7 ? 2.5 : 0;
        spec.samples = samples;
        spec.remove_accidental_hits = (sampled == 300) != (samples == NoiseSamples::shared);
        spec.reduction = sampled == 1 ? Reduction::sum : Reduction::mean;
        spec.seed = static_cast<std::uint64_t>(sampled) + 5;
        for (std::int64_t j = 0; noise == NoiseKind::weights && j < k; ++j)
          spec.noise_weights.push_back(0.25f + static_cast<float>(j % 5));
        if (noise == NoiseKind::unigram) {
          std::vector<std::int64_t> counts;
          for (std::int64_t j = 0; j < k; ++j) counts.push_back(j * j % 11);
          set_unigram_counts(spec, counts.data(), k);
        }
        all.push_back(spec);
      }
  return all;
}

}  // namespace

TEST_CASE("cuda losses: equal the CPU's over small shapes, with the same bits in every order of threads") {
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{1, 1}, {1, 2}, {7, 3}, {9, 64}, {2, 1027}, {3, 1900}};
  std::uint32_t seed = 0;
  for (const auto& [m, k] : shapes)
    for (const LossSpec& spec : variants(k)) check_in_every_order(spec, random_problem(m, k, ++seed));
}

TEST_CASE("cuda losses: equal the CPU's over large shapes") {
  const std::pair<std::int64_t, std::int64_t> shapes[] = {{257, 2},  {257, 10}, {129, 130}, {33, 1000}, {12, 1024},
                                                          {6, 2048}, {5, 4999}, {17, 5000}, {2, 8192},  {2, 8193}};
  std::uint32_t seed = 100;
  for (const auto& [m, k] : shapes) {
    if (test::small_run() && m * k > 30'000) continue;
    for (const LossSpec& spec : variants(k)) {
      ++seed;
      check_against_cpu(spec, random_problem(m, k, seed), orders()[seed % orders().size()].order);
    }
  }
}

TEST_CASE("cuda losses: rows of several parts") {
  std::uint32_t seed = 200;
  for (const std::int64_t k : {40'000, 39'999})
    for (const LossSpec& spec : variants(k)) {
      ++seed;
      check_against_cpu(spec, random_problem(2, k, seed), orders()[seed % orders().size()].order);
    }
  if (test::small_run()) return;
  // Many enough to be taken whole, at 8,200 logits a row.
  for (const std::int64_t k : {8200, 8201}) check_against_cpu({}, random_problem(64, k, 7), orders()[2].order);
  // Parts longer than the shortest.
  check_against_cpu({.kind = LossKind::batch_cross_entropy}, random_problem(1, 2'100'000, 8), orders()[1].order);
}

TEST_CASE("cuda losses: logits and gradients at addresses that are no multiple of 16") {
  for (const std::int64_t k : {4, 64, 1200})
    for (const LossSpec& spec : variants(k))
      for (const std::size_t shift : {1, 2})
        check_against_cpu(spec, random_problem(5, k, 11), orders()[shift].order, 0, shift);
}

TEST_CASE("cuda losses: options") {
  const Problem problem = random_problem(6, 40, 21);
  for (const LossKind kind : all_kinds) {
    check_in_every_order({.kind = kind, .margin = 0.3, .alpha = 2.0}, problem);
    check_against_cpu({.kind = kind, .margin = 30.0, .alpha = 1e-3}, problem);
    if (!is_batch(kind)) check_against_cpu({.kind = kind, .reduction = Reduction::sum}, problem);
  }
}

TEST_CASE("cuda losses: nce draws what the CPU draws, for every distribution and way of sampling") {
  for (const LossSpec& spec : nce_variants(12)) check_in_every_order(spec, random_problem(5, 12, 31), 11);
  for (const auto& [m, k] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {33, 700}})
    for (const LossSpec& spec : nce_variants(k))
      check_against_cpu(spec, random_problem(m, k, 32), orders()[2].order, std::uint64_t{1} << 40);
  // More draws than a block takes at once, few classes: hundreds of draws of each.
  for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example})
    check_in_every_order({.kind = LossKind::nce, .num_sampled = 1501, .samples = samples}, random_problem(3, 4, 33));
}

TEST_CASE("cuda losses: logits of ±1e4 give finite values and gradients") {
  for (const std::int64_t k : {2, 10, 1000, 10'000})
    for (const LossSpec& spec : variants(k)) {
      Problem problem = random_problem(4, k, 41, 0.01f);
      for (std::size_t n = 0; n < problem.logits.size(); ++n)
        problem.logits[n] += n * 7 % 3 == 0 ? 1e4f : n % 2 ? -1e4f : 1e4f - 0.25f;
      const Computed computed = check_against_cpu(spec, problem);
      CHECK(std::isfinite(computed.value));
      for (const float g : computed.gradient) REQUIRE(std::isfinite(g));
    }
}

TEST_CASE("cuda losses: a converged batch keeps its digits") {
  const std::int64_t k = 50;
  Problem problem{2, k, std::vector<float>(2 * k, -10.0f), {3, 40}};
  problem.logits[3] = problem.logits[k + 40] = 10.0f;
  for (const LossKind kind : {LossKind::cross_entropy, LossKind::batch_cross_entropy, LossKind::self_normalization,
                              LossKind::binary_cross_entropy}) {
    const LossSpec spec{.kind = kind, .alpha = 1e-12};
    const Computed cuda = check_against_cpu(spec, problem), cpu = on_cpu(spec, problem, 0);
    CHECK(cuda.value == doctest::Approx(cpu.value).epsilon(1e-5).scale(0));
  }
}

TEST_CASE("cuda losses: ties go to the lowest flat index") {
  for (const std::int64_t k : {5, 37, 1500, 9000})
    for (const LossKind kind : {LossKind::max_margin, LossKind::batch_max_margin}) {
      Problem problem{3, k, std::vector<float>(static_cast<std::size_t>(3 * k), 0.5f), {0, 1, static_cast<int>(k) - 1}};
      check_in_every_order({.kind = kind}, problem);
      problem.logits[static_cast<std::size_t>(2 * k - 1)] = problem.logits[static_cast<std::size_t>(k + k / 2)] = 3.0f;
      check_against_cpu({.kind = kind}, problem, orders()[1].order);
      for (float& z : problem.logits) z = 0.0f;  // the two zeros are equal
      problem.logits[2] = problem.logits[0] = -0.0f;
      check_against_cpu({.kind = kind}, problem, orders()[1].order);
    }
}

TEST_CASE("cuda losses: a hinge of exactly 0 has gradient 0") {
  const Problem problem{2, 3, {2.0f, 1.0f, 0.5f, 0.25f, 1.25f, -1.0f}, {0, 1}};
  for (const LossSpec& spec :
       {LossSpec{.kind = LossKind::max_margin}, LossSpec{.kind = LossKind::batch_max_margin, .margin = 0.25}}) {
    const Computed computed = check_against_cpu(spec, problem);
    CHECK(computed.value == 0);
    for (const float g : computed.gradient) CHECK(g == 0);
  }
}

TEST_CASE("cuda losses: NaN and infinities give what they give on the CPU") {
  for (const std::int64_t k : {2, 5, 1000, 9001})
    for (const LossSpec& spec : variants(k)) {
      for (const std::int64_t at : {std::int64_t{0}, std::int64_t{1}, k - 1}) {
        if (k > 1000 && at != k - 1) continue;
        Problem problem = random_problem(3, k, 51);
        problem.labels = {0, 1, static_cast<std::int32_t>(k - 1)};
        problem.logits[static_cast<std::size_t>(k + at)] = nan;
        const Computed computed = check_against_cpu(spec, problem, orders().back().order);
        if (spec.num_sampled == 0) CHECK(std::isnan(computed.value));
      }
      if (k > 1000) continue;
      for (const float extreme : {infinity, -infinity})
        for (int pattern = 0; pattern < 4; ++pattern) {
          Problem problem = random_problem(2, k, 52);
          for (std::int64_t n = 0; n < 2 * k; ++n)
            if (pattern == 0 || (pattern == 1 && n % 2) || (pattern == 2 && n == problem.labels[0]) ||
                (pattern == 3 && n != problem.labels[0] && n < k))
              problem.logits[static_cast<std::size_t>(n)] = extreme;
          CAPTURE(extreme);
          CAPTURE(pattern);
          check_against_cpu(spec, problem);
        }
    }
}

TEST_CASE("cuda losses: one kernel takes batches of any size up to the planned one, and steps draw afresh") {
  cuda::Step now(nullptr);
  for (const LossSpec& spec : variants(9000)) {
    const auto loss = cuda::make_cuda_loss(nullptr, now, spec, 9000, 3);
    for (const std::int64_t m : {3, 1, 2}) {
      const Problem problem = random_problem(m, 9000, static_cast<std::uint32_t>(60 + m));
      DeviceArray<float> logits(problem.logits), gradient(problem.logits.size());
      DeviceArray<std::int32_t> labels(problem.labels);
      DeviceArray<double> value(1);
      loss->value_and_gradient(logits.data(), labels.data(), m, static_cast<std::uint64_t>(m), value.data(),
                               gradient.data());
      check_equal(spec, {value.host()[0], gradient.host()}, on_cpu(spec, problem, static_cast<std::uint64_t>(m)));
    }
  }
}

TEST_CASE("cuda losses: too little memory is an error of ours") {
  cuda::Step now(nullptr);
  cuda_host::limit_memory(1024);
  for (const LossSpec& spec : variants(1000)) {
    std::string code;
    try {
      static_cast<void>(cuda::make_cuda_loss(nullptr, now, spec, 1000, 100'000));
    } catch (const Error& error) {
      code = error.code();
    }
    CAPTURE(std::string(loss_name(spec.kind)));
    CHECK(code == "ERR_ONELOGIT_OUT_OF_MEMORY");
  }
  cuda_host::limit_memory(0);
}

}  // namespace onelogit
