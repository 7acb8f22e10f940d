// Training steps of the fused last layer against steps written down in float64: logits in full, the loss's gradient,
// plain products, and the optimizer's formula for every element.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "head/linear_loss.h"
#include "loss/noise.h"
#include "loss_reference.h"
#include "random_values.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using Vector = std::vector<double>;

// k rows of d weights and a bias: one flat matrix k×(d + 1), so that the bias is a column like any other.
struct Reference {
  std::int64_t d, k;
  Vector value, state[2];

  Reference(std::int64_t features, std::int64_t classes, const std::vector<float>& weight,
            const std::vector<float>& bias)
      : d(features), k(classes) {
    for (std::int64_t j = 0; j < k; ++j) {
      value.insert(value.end(), weight.begin() + j * d, weight.begin() + (j + 1) * d);
      value.push_back(bias.empty() ? 0.0 : static_cast<double>(bias[j]));
    }
    for (Vector& s : state) s.assign(value.size(), 0.0);
  }

  void update(const OptimizerSpec& o, double rate, std::uint64_t t, const Vector& gradient, double scale, bool bias,
              const std::vector<char>& touched) {
    for (std::int64_t j = 0; j < k; ++j)
      for (std::int64_t n = 0; n < d + (bias ? 1 : 0); ++n) {
        const std::int64_t at = j * (d + 1) + n;
        double &w = value[at], &first = state[0][at], &second = state[1][at];
        double g = gradient[at] * scale;
        if (o.kind == OptimizerKind::sgd) {
          g += o.weight_decay * w;
          first = o.momentum * first + g;
          w -= rate * (o.nesterov ? g + o.momentum * first : first);
          continue;
        }
        if (o.kind == OptimizerKind::adamw) w *= 1 - rate * o.weight_decay;
        if (!touched[j]) continue;  // the moments rest
        if (o.kind == OptimizerKind::adam) g += o.weight_decay * w;
        first = o.beta1 * first + (1 - o.beta1) * g;
        second = o.beta2 * second + (1 - o.beta2) * g * g;
        const double steps = static_cast<double>(t);
        w -= rate / (1 - std::pow(o.beta1, steps)) * first /
             (std::sqrt(second / (1 - std::pow(o.beta2, steps))) + o.epsilon);
      }
  }
};

struct Setup {
  LossSpec loss;
  OptimizerSpec optimizer;
  ClassGradientMemory memory = ClassGradientMemory::store;
  double clip = 0;  // 0: none
  bool bias = true;
  std::int64_t m = 6, d = 9, k = 150;
  std::size_t workspace = 6000;
  int steps = 7;
};

bool few_rows(const LossSpec& loss) {
  return loss.kind == LossKind::max_margin || loss.kind == LossKind::batch_max_margin ||
         (loss.kind == LossKind::nce && loss.num_sampled > 0);
}

double error(const std::vector<float>& a, const Vector& b) {
  double difference = 0, norm = 0;
  for (std::size_t n = 0; n < b.size(); ++n) {
    difference += (a[n] - b[n]) * (a[n] - b[n]);
    norm += b[n] * b[n];
  }
  return std::sqrt(difference / std::max(norm, 1e-30));
}

void compare(const Setup& setup, std::uint32_t seed) {
  const std::int64_t m = setup.m, d = setup.d, k = setup.k;
  check_loss(setup.loss, k);
  std::vector<float> weight = test::random_values(k * d, seed);
  std::vector<float> bias = setup.bias ? test::random_values(k, seed + 1) : std::vector<float>{};
  std::vector<std::vector<float>> state, bias_state;
  for (int s = 0; s < optimizer_state_count(setup.optimizer); ++s) {
    state.emplace_back(k * d, 0.0f);
    bias_state.emplace_back(k, 0.0f);
  }
  Reference reference(d, k, weight, bias);

  LinearLossTrainingPlan plan;
  plan.loss = setup.loss;
  plan.optimizer = setup.optimizer;
  plan.classes = {weight.data(), WeightType::float32, setup.bias ? bias.data() : nullptr, {}, {}, k, d};
  for (std::size_t s = 0; s < state.size(); ++s) {
    plan.classes.state[s] = state[s].data();
    if (setup.bias) plan.classes.bias_state[s] = bias_state[s].data();
  }
  plan.max_examples = m + 2;
  plan.workspace_bytes = setup.workspace;
  plan.memory = setup.memory;
  plan.clips = setup.clip > 0;
  const auto training = cpu_backend().make_linear_loss_training(plan);

  for (int step = 0; step < setup.steps; ++step) {
    const auto at = static_cast<std::uint64_t>(step);
    const std::vector<float> hidden = test::random_values(m * d, seed + 10 + static_cast<std::uint32_t>(step));
    std::vector<std::int32_t> labels;
    for (std::int64_t i = 0; i < m; ++i)
      labels.push_back(static_cast<std::int32_t>((i * 7 + step * 3) % (i < 2 ? 2 : k)));
    const double rate = 0.05 / (1 + step);

    Vector z(m * k);
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < k; ++j) {
        double sum = reference.value[j * (d + 1) + d];
        for (std::int64_t n = 0; n < d; ++n)
          sum += static_cast<double>(hidden[i * d + n]) * reference.value[j * (d + 1) + n];
        z[i * k + j] = sum;
      }
    reference::Draws draws;
    std::vector<char> touched(k, few_rows(setup.loss) ? 0 : 1);
    if (setup.loss.num_sampled > 0) {
      const NoiseSampler sampler(setup.loss, k);
      for (std::int64_t i = 0; i < m; ++i) {
        draws.emplace_back();
        for (std::int64_t s = 0; s < setup.loss.num_sampled; ++s) {
          const bool own = setup.loss.samples == NoiseSamples::per_example;
          draws.back().push_back(
              sampler.draw(at, static_cast<std::uint64_t>((own ? i * setup.loss.num_sampled : 0) + s)));
          touched[draws.back().back()] = 1;
        }
        touched[labels[i]] = 1;
      }
    }
    const reference::Result loss = reference::loss(setup.loss, z, labels, k, draws);
    Vector gradient(reference.value.size(), 0.0), gradient_hidden(m * d, 0.0);
    double squares = 0;
    std::int64_t correct = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      std::int64_t best = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        if (z[i * k + j] > z[i * k + best]) best = j;
        const double g = loss.gradient[i * k + j];
        if (g != 0) touched[j] = 1;
        gradient[j * (d + 1) + d] += g;
        for (std::int64_t n = 0; n < d; ++n) {
          gradient[j * (d + 1) + n] += g * hidden[i * d + n];
          gradient_hidden[i * d + n] += g * reference.value[j * (d + 1) + n];
        }
      }
      correct += best == labels[i] ? 1 : 0;
    }
    for (std::int64_t j = 0; j < k; ++j)
      for (std::int64_t n = 0; n < d + (setup.bias ? 1 : 0); ++n)
        squares += gradient[j * (d + 1) + n] * gradient[j * (d + 1) + n];
    const double scale = setup.clip > 0 ? std::min(1.0, setup.clip / std::sqrt(squares)) : 1.0;
    reference.update(setup.optimizer, rate, at + 1, gradient, scale, setup.bias, touched);

    double value = 0;
    std::int64_t counted = 0;
    std::vector<float> computed_hidden(m * d, 12345.0f);
    training->run({hidden.data(), labels.data(), m, at, static_cast<float>(rate), computed_hidden.data()}, &value,
                  &counted);
    if (setup.clip > 0) {
      double computed_squares = 0;
      training->gradient_squares(&computed_squares);
      CHECK(computed_squares == doctest::Approx(squares).epsilon(1e-3));
      const auto factor = static_cast<float>(scale);
      training->update(&factor);
    } else {
      training->update(nullptr);
    }
    CHECK(value == doctest::Approx(loss.value).epsilon(1e-4));
    CHECK(error(computed_hidden, gradient_hidden) < 1e-3);
    CHECK(counted == (setup.loss.num_sampled > 0 ? -1 : correct));
  }
  training->catch_up();
  Vector weights, biases, velocities;
  for (std::int64_t j = 0; j < k; ++j) {
    for (std::int64_t n = 0; n < d; ++n) {
      weights.push_back(reference.value[j * (d + 1) + n]);
      velocities.push_back(reference.state[0][j * (d + 1) + n]);
    }
    biases.push_back(reference.value[j * (d + 1) + d]);
  }
  CHECK(error(weight, weights) < 1e-4);
  if (setup.bias) CHECK(error(bias, biases) < 1e-4);
  if (!state.empty()) CHECK(error(state[0], velocities) < 1e-3);
}

std::vector<LossSpec> losses() {
  std::vector<LossSpec> specs;
  for (const LossKind kind :
       {LossKind::cross_entropy, LossKind::max_margin, LossKind::self_normalization, LossKind::nce,
        LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin})
    specs.push_back(LossSpec{.kind = kind});
  LossSpec sampled{.kind = LossKind::nce, .num_sampled = 12, .noise = NoiseKind::log_uniform, .seed = 7};
  specs.push_back(sampled);
  sampled.samples = NoiseSamples::per_example;
  sampled.remove_accidental_hits = true;
  specs.push_back(sampled);
  return specs;
}

std::vector<OptimizerSpec> optimizers() {
  return {{.kind = OptimizerKind::sgd},
          {.kind = OptimizerKind::sgd, .weight_decay = 0.1},
          {.kind = OptimizerKind::sgd, .momentum = 0.9},
          {.kind = OptimizerKind::sgd, .momentum = 0.9, .nesterov = true, .weight_decay = 0.1},
          {.kind = OptimizerKind::adam, .weight_decay = 0.01},
          {.kind = OptimizerKind::adamw, .weight_decay = 0.1}};
}

TEST_CASE("linear loss training: every loss and optimizer equals steps in float64") {
  std::uint32_t seed = 1;
  for (const LossSpec& loss : losses())
    for (const OptimizerSpec& optimizer : optimizers())
      for (const ClassGradientMemory memory : {ClassGradientMemory::store, ClassGradientMemory::recompute})
        for (const double clip : {0.0, 0.5}) {
          CAPTURE(std::string(loss_name(loss.kind)));
          CAPTURE(loss.num_sampled);
          CAPTURE(static_cast<int>(optimizer.kind));
          CAPTURE(optimizer.momentum);
          CAPTURE(optimizer.nesterov);
          CAPTURE(static_cast<int>(memory));
          CAPTURE(clip);
          compare({.loss = loss, .optimizer = optimizer, .memory = memory, .clip = clip, .bias = ++seed % 3 != 0},
                  seed);
        }
}

TEST_CASE("linear loss training: shapes and block sizes") {
  std::uint32_t seed = 500;
  for (const LossSpec& loss : losses())
    for (const auto& [m, d, k] :
         {std::tuple<std::int64_t, std::int64_t, std::int64_t>{1, 1, 2}, {1, 7, 65}, {33, 20, 700}})
      for (const std::size_t workspace : {std::size_t{1}, std::size_t{9000}, default_linear_loss_workspace}) {
        CAPTURE(std::string(loss_name(loss.kind)));
        CAPTURE(m);
        CAPTURE(k);
        CAPTURE(workspace);
        compare({.loss = loss,
                 .optimizer = {.kind = OptimizerKind::sgd, .momentum = 0.5, .weight_decay = 0.01},
                 .m = m,
                 .d = d,
                 .k = k,
                 .workspace = workspace,
                 .steps = 4},
                ++seed);
      }
}

TEST_CASE("linear loss training: rows that rest longer than the history is") {
  // One class of three in use: the last row has to be caught up over thousands of steps, through a full history.
  std::vector<float> weight{1.0f, 1.0f, 1.0f}, velocity{0.0f, 0.0f, 1.0f};
  LinearLossTrainingPlan plan;
  plan.loss =
      LossSpec{.kind = LossKind::nce, .num_sampled = 1, .noise = NoiseKind::weights, .noise_weights = {1, 1, 1e-30f}};
  plan.optimizer = {.kind = OptimizerKind::sgd, .momentum = 0.99, .weight_decay = 1e-3};
  plan.classes = {weight.data(), WeightType::float32, nullptr, {velocity.data(), nullptr}, {}, 3, 1};
  plan.max_examples = 1;
  const auto training = cpu_backend().make_linear_loss_training(plan);
  double w = 1, v = 1;
  const float hidden = 0.1f;
  const std::int32_t label = 0;
  constexpr std::uint64_t steps = 10'000;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const double rate = 0.01 * (1 - static_cast<double>(step) / steps);
    double value = 0;
    std::int64_t correct = 0;
    training->run({&hidden, &label, 1, step, static_cast<float>(rate), nullptr}, &value, &correct);
    training->update(nullptr);
    v = 0.99 * v + 1e-3 * w;
    w -= rate * v;
  }
  training->catch_up();
  CHECK(weight[2] == doctest::Approx(w).epsilon(1e-5));
  CHECK(velocity[2] == doctest::Approx(v).epsilon(1e-4));
}

TEST_CASE("linear loss training: hidden activations that are not finite leave the class matrix alone") {
  for (const LossSpec& loss : losses()) {
    std::vector<float> weight = test::random_values(40 * 3, 9);
    const std::vector<float> before = weight;
    LinearLossTrainingPlan plan;
    plan.loss = loss;
    plan.optimizer = {.kind = OptimizerKind::sgd};
    plan.classes = {weight.data(), WeightType::float32, nullptr, {}, {}, 40, 3};
    plan.max_examples = 2;
    const auto training = cpu_backend().make_linear_loss_training(plan);
    const float hidden[] = {1, 2, 3, 4, std::numeric_limits<float>::infinity(), 6};
    const std::int32_t labels[] = {1, 2};
    double value = 0;
    std::int64_t correct = 0;
    training->run({hidden, labels, 2, 0, 0.1f, nullptr}, &value, &correct);
    training->update(nullptr);
    training->catch_up();
    CHECK(std::isnan(value));
    CHECK(weight == before);
  }
}

TEST_CASE("linear loss training: validation counts all classes, whatever the loss sees") {
  for (const LossSpec& loss : losses()) {
    const std::int64_t m = 20, d = 5, k = 90;
    std::vector<float> weight = test::random_values(k * d, 21), hidden = test::random_values(m * d, 22);
    std::vector<std::int32_t> labels(m);
    std::int64_t expected = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      std::int64_t best = 0;
      std::vector<double> z(k, 0.0);
      for (std::int64_t j = 0; j < k; ++j) {
        for (std::int64_t n = 0; n < d; ++n) z[j] += static_cast<double>(hidden[i * d + n]) * weight[j * d + n];
        if (z[j] > z[best]) best = j;
      }
      labels[i] = static_cast<std::int32_t>(i % 3 == 0 ? best : (best + 1) % k);
      expected += i % 3 == 0 ? 1 : 0;
    }
    LinearLossTrainingPlan plan;
    plan.loss = loss;
    plan.optimizer = {.kind = OptimizerKind::sgd};
    plan.classes = {weight.data(), WeightType::float32, nullptr, {}, {}, k, d};
    plan.max_examples = m;
    const std::vector<float> before = weight;
    double value = 0;
    std::int64_t correct = 0;
    cpu_backend().make_linear_loss_training(plan)->evaluate(hidden.data(), labels.data(), m, 0, &value, &correct);
    CHECK(correct == expected);
    CHECK(std::isfinite(value));
    CHECK(weight == before);
  }
}

TEST_CASE("linear loss training: bfloat16 follows float32 on average, by stochastic rounding") {
  // The updates are far below half a unit in the last place of the weights: rounding to nearest would lose them all.
  for (const LossSpec& loss : losses()) {
    const std::int64_t m = 4, d = 24, k = 64;
    std::vector<std::uint16_t> rounded;
    std::vector<float> weight;
    for (const float value : test::random_values(k * d, 31, 0.5f, 1.0f)) {
      rounded.push_back(float32_to_bfloat16(value));
      weight.push_back(bfloat16_to_float32(rounded.back()));
    }
    const std::vector<float> start = weight;
    const std::vector<float> hidden = test::random_values(m * d, 32);
    const std::int32_t labels[] = {1, 2, 3, 1};
    double moved[2] = {};  // Σ (w − start) · (float32's own movement)
    const auto train = [&](void* value, WeightType type) {
      LinearLossTrainingPlan plan;
      plan.loss = loss;
      plan.optimizer = {.kind = OptimizerKind::sgd};
      plan.classes = {value, type, nullptr, {}, {}, k, d};
      plan.max_examples = m;
      plan.memory = ClassGradientMemory::recompute;
      plan.seed = 5;
      const auto training = cpu_backend().make_linear_loss_training(plan);
      for (std::uint64_t step = 0; step < 200; ++step) {
        double loss_value = 0;
        std::int64_t correct = 0;
        training->run({hidden.data(), labels, m, step, 2e-4f, nullptr}, &loss_value, &correct);
        training->update(nullptr);
      }
      training->catch_up();
    };
    train(weight.data(), WeightType::float32);
    train(rounded.data(), WeightType::bfloat16);
    for (std::size_t n = 0; n < weight.size(); ++n) {
      const double direction = static_cast<double>(weight[n]) - start[n];
      moved[0] += direction * direction;
      moved[1] += direction * (static_cast<double>(bfloat16_to_float32(rounded[n])) - start[n]);
    }
    CAPTURE(std::string(loss_name(loss.kind)));
    CHECK(moved[0] > 0);
    CHECK(moved[1] / moved[0] == doctest::Approx(1.0).epsilon(0.25));
  }
}

}  // namespace
}  // namespace onelogit
