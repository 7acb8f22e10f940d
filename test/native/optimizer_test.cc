#include <doctest/doctest.h>

#include "backend/backend.h"
#include "backend/cpu/threads.h"
#include "optimizer/optimizer.h"
#include "optimizer_specs.h"
#include "random_values.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::optimizer_specs;
using test::random_values;

// torch.optim's rules, one parameter, in float64.
struct Reference {
  double value, first = 0, second = 0;
  std::uint64_t step = 0;

  void update(const OptimizerSpec& spec, double gradient) {
    ++step;
    if (spec.kind == OptimizerKind::sgd) {
      gradient += spec.weight_decay * value;
      if (spec.momentum != 0) {
        first = spec.momentum * first + gradient;
        gradient = spec.nesterov ? gradient + spec.momentum * first : first;
      }
      value -= spec.learning_rate * gradient;
      return;
    }
    if (spec.kind == OptimizerKind::adamw) {
      value *= 1 - spec.learning_rate * spec.weight_decay;
    } else {
      gradient += spec.weight_decay * value;
    }
    const double t = static_cast<double>(step);
    first = spec.beta1 * first + (1 - spec.beta1) * gradient;
    second = spec.beta2 * second + (1 - spec.beta2) * gradient * gradient;
    const double denominator = std::sqrt(second) / std::sqrt(1 - std::pow(spec.beta2, t)) + spec.epsilon;
    value -= spec.learning_rate / (1 - std::pow(spec.beta1, t)) * first / denominator;
  }
};

// Slices of odd sizes: what one thread gets begins and ends inside them.
constexpr std::int64_t sizes[] = {1, 70001, 0, 17, 33000, 5};

TEST_CASE("optimizers follow PyTorch's rules over several steps and slices") {
  int number = 0;
  for (const OptimizerSpec& spec : optimizer_specs()) {
    CAPTURE(number++);
    std::vector<std::vector<float>> values, gradients, first, second;
    for (const std::int64_t size : sizes) {
      values.push_back(random_values(size, 1));
      gradients.emplace_back(size);
      first.emplace_back(size);
      second.emplace_back(size);
    }
    std::vector<std::vector<Reference>> expected;
    std::vector<ParameterSlice> slices;
    for (std::size_t s = 0; s < std::size(sizes); ++s) {
      expected.emplace_back();
      for (const float value : values[s]) expected[s].push_back({value});
      const int states = optimizer_state_count(spec);
      slices.push_back({values[s].data(),
                        gradients[s].data(),
                        {states > 0 ? first[s].data() : nullptr, states > 1 ? second[s].data() : nullptr},
                        sizes[s]});
    }
    const float scale = 0.25f;
    for (std::uint64_t step = 1; step <= 5; ++step) {
      const bool scaled = step % 2 == 0;
      for (std::size_t s = 0; s < slices.size(); ++s) {
        gradients[s] = random_values(sizes[s], static_cast<std::uint32_t>(10 * step + s));
        slices[s].gradient = gradients[s].data();
        for (std::int64_t i = 0; i < sizes[s]; ++i)
          expected[s][i].update(spec, gradients[s][i] * (scaled ? scale : 1.0f));
      }
      cpu_backend().optimizer_step(spec, static_cast<float>(spec.learning_rate), step, slices,
                                   scaled ? &scale : nullptr);
    }
    std::int64_t wrong = 0;
    for (std::size_t s = 0; s < slices.size(); ++s)
      for (std::int64_t i = 0; i < sizes[s]; ++i) wrong += !close(values[s][i], expected[s][i].value, 1e-6, 1e-6);
    CHECK(wrong == 0);
  }
}

TEST_CASE("adam's first step moves every parameter by the learning rate against its gradient") {
  OptimizerSpec spec;
  spec.kind = OptimizerKind::adam;
  std::vector<float> value(100, 1.0f), gradient(100), first(100), second(100);
  for (int i = 0; i < 100; ++i) gradient[i] = (i % 2 ? 1.0f : -1.0f) * std::pow(10.0f, static_cast<float>(i % 7 - 3));
  const ParameterSlice slice{value.data(), gradient.data(), {first.data(), second.data()}, 100};
  cpu_backend().optimizer_step(spec, 0.001f, 1, {&slice, 1}, nullptr);
  for (int i = 0; i < 100; ++i) CHECK(value[i] == doctest::Approx(i % 2 ? 0.999 : 1.001).epsilon(2e-5));
}

TEST_CASE("the number of state arrays") {
  OptimizerSpec spec;
  CHECK(optimizer_state_count(spec) == 0);
  spec.momentum = 0.9;
  CHECK(optimizer_state_count(spec) == 1);
  spec.kind = OptimizerKind::adam;
  CHECK(optimizer_state_count(spec) == 2);
  spec.kind = OptimizerKind::adamw;
  CHECK(optimizer_state_count(spec) == 2);
}

TEST_CASE("the gradient norm is clipped over all slices") {
  std::vector<std::vector<float>> gradients;
  std::vector<ParameterSlice> slices;
  double squares = 0;
  for (const std::int64_t size : sizes) {
    gradients.push_back(random_values(size, static_cast<std::uint32_t>(size)));
    for (const float g : gradients.back()) squares += static_cast<double>(g) * g;
  }
  for (std::size_t s = 0; s < std::size(sizes); ++s) slices.push_back({nullptr, gradients[s].data(), {}, sizes[s]});
  float scale = 0;
  cpu_backend().clip_scale(slices, 2.0f, nullptr, &scale);
  CHECK(scale == doctest::Approx(2.0 / std::sqrt(squares)).epsilon(1e-6));
  cpu_backend().clip_scale(slices, 1e6f, nullptr, &scale);
  CHECK(scale == 1.0f);
  gradients[1][70000] = 1e30f;  // its square is beyond float32
  cpu_backend().clip_scale(slices, 1.0f, nullptr, &scale);
  CHECK(scale == doctest::Approx(1e-30).epsilon(1e-5));
  gradients[1][70000] = nan;
  cpu_backend().clip_scale(slices, 1.0f, nullptr, &scale);
  CHECK(std::isnan(scale));
  cpu_backend().clip_scale({}, 1.0f, nullptr, &scale);  // a norm of 0
  CHECK(scale == 1.0f);
}

}  // namespace
}  // namespace onelogit
