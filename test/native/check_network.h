// A model's passes against the float64 reference network: outputs, and gradients against its finite differences.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "model/model.h"
#include "random_values.h"
#include "reference_network.h"

namespace onelogit::test {

// Random values everywhere: biases of zero and scales of one would hide what is not used.
inline void randomize(Model& model, std::uint32_t seed) {
  for (const NamedTensor& tensor : model.tensors()) {
    const bool positive = tensor.name.ends_with("running_var");
    const auto values =
        random_values(shape_size(tensor.shape), seed++, positive ? 0.5f : -1.0f, positive ? 2.0f : 1.0f);
    model.backend().upload(tensor.values(), values.data(), values.size() * sizeof(float));
  }
  model.tensors_changed();
}

inline double norm(const Doubles& a) { return std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0)); }

inline double norm_of_difference(const std::vector<float>& a, const Doubles& b) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum);
}

inline std::vector<float> downloaded(Backend& backend, const float* data, std::int64_t size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  backend.download(values.data(), data, values.size() * sizeof(float));
  return values;
}

// Σ weights · logits of a training pass, and its slope along one parameter or along random numbers for all of a
// tensor's.
class ReferenceSlope {
 public:
  ReferenceSlope(ReferenceNetwork& network, const Doubles& inputs, std::int64_t m, const std::vector<float>& weights)
      : network_(network), inputs_(inputs), m_(m), weights_(weights) {}

  double along(const std::string& name, std::size_t i) {
    Doubles direction(network_.tensors.at(name).size());
    direction[i] = 1.0;
    return along(name, direction);
  }
  double along(const std::string& name, const Doubles& direction) {
    constexpr double h = 1e-6;
    Doubles& parameter = network_.tensors.at(name);
    const Doubles before = parameter;
    const double length = norm(direction);
    double sums[2];
    for (const int side : {0, 1}) {
      for (std::size_t i = 0; i < parameter.size(); ++i)
        parameter[i] = before[i] + (side == 0 ? h : -h) / length * direction[i];
      const Doubles logits = network_.forward(inputs_, m_, true);
      sums[side] = std::inner_product(logits.begin(), logits.end(), weights_.begin(), 0.0);
    }
    parameter = before;
    return (sums[0] - sums[1]) / (2 * h) * length;
  }

 private:
  ReferenceNetwork& network_;
  const Doubles& inputs_;
  std::int64_t m_;
  const std::vector<float>& weights_;
};

struct NetworkCheck {
  std::int64_t m = 2;
  std::uint32_t seed = 1;
  std::size_t gradients_of_a_tensor = 1000;  // as many finite differences at most
  double gradient_tolerance = 2e-5;          // absolute, of an example
};

// The gradient of every parameter of a small tensor; of a larger one that many, and its component along a random
// direction.
inline void check_gradient(ReferenceSlope& slope, const NamedTensor& gradient, const std::vector<float>& actual,
                           const NetworkCheck& check) {
  CAPTURE(gradient.name);
  std::vector<std::size_t> places(actual.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::mt19937 random(static_cast<std::uint32_t>(actual.size()));
  // A bias before batch normalisation has no effect: its gradient is rounding around zero, hence the absolute part.
  const double absolute = check.gradient_tolerance * std::sqrt(static_cast<double>(check.m));
  if (places.size() > check.gradients_of_a_tensor) {
    std::shuffle(places.begin(), places.end(), random);
    places.resize(check.gradients_of_a_tensor);
    const auto values = random_values(static_cast<std::int64_t>(actual.size()), random());
    const Doubles direction(values.begin(), values.end());
    double received = 0, squares = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      received += static_cast<double>(actual[i]) * direction[i];
      squares += static_cast<double>(actual[i]) * static_cast<double>(actual[i]);
    }
    CHECK(std::abs(received - slope.along(gradient.name, direction)) <=
          norm(direction) * (1e-4 * std::sqrt(squares) + absolute));
  }
  Doubles expected;
  std::vector<float> received;
  for (const std::size_t i : places) {
    expected.push_back(slope.along(gradient.name, i));
    received.push_back(actual[i]);
  }
  CHECK(norm_of_difference(received, expected) <= 1e-4 * norm(expected) + absolute);
}

// The pass that ends with the features, given their gradient: the same gradients, but for the last layer's.
inline void check_features_pass(Model& model, const ReferenceNetwork& reference, const std::vector<float>& x,
                                const std::vector<float>& weights, std::uint64_t step,
                                const std::map<std::string, std::vector<float>>& gradients, double tolerance) {
  Backend& backend = model.backend();
  const std::int64_t features = model.feature_size(), classes = model.classes(),
                     m = static_cast<std::int64_t>(weights.size()) / classes;
  model.plan_training(m, 9, Model::PassEnd::features);
  backend.upload(model.training_input(), x.data(), x.size() * sizeof(float));
  CHECK(norm_of_difference(downloaded(backend, model.forward_training(m, step), m * features), reference.features()) <=
        1e-5 * norm(reference.features()) + 1e-7);
  const Doubles& class_weight = reference.tensors.at(model.class_weight().name);
  std::vector<float> gradient(static_cast<std::size_t>(m * features));
  for (std::int64_t i = 0; i < m * features; ++i) {
    double sum = 0;
    for (std::int64_t c = 0; c < classes; ++c)
      sum += static_cast<double>(weights[i / features * classes + c]) * class_weight[c * features + i % features];
    gradient[i] = static_cast<float>(sum);
  }
  if (model.output_gradient() != nullptr)
    backend.upload(model.output_gradient(), gradient.data(), gradient.size() * sizeof(float));
  model.backward(m, step);
  for (const NamedTensor& tensor : model.gradient_tensors()) {
    CAPTURE(tensor.name);
    const std::vector<float>& whole = gradients.at(tensor.name);
    const Doubles expected(whole.begin(), whole.end());
    CHECK(norm_of_difference(downloaded(backend, tensor.values(), shape_size(tensor.shape)), expected) <=
          2e-5 * norm(expected) + tolerance * std::sqrt(static_cast<double>(m)));
  }
}

// A training pass with weights for its logits: the logits, the running statistics, and d(Σ weights · logits)/d(every
// parameter). False if no examples were found that are far enough from the edges of relu and maxPool.
inline bool check_training(const ModelSpec& spec, const NetworkCheck& check) {
  const std::int64_t m = check.m;
  CAPTURE(m);
  CAPTURE(check.seed);
  Backend& backend = cpu_backend();
  Model model(spec, backend);
  randomize(model, check.seed);
  const std::uint64_t step = check.seed + 5;
  ReferenceNetwork reference(model);
  reference.draw_dropout(backend, m, 9, step);
  const auto weights = random_values(m * model.classes(), check.seed + 200);
  std::vector<float> x;
  Doubles inputs, expected;
  // Not at the edge of a relu or a maxPool, where float32 may take the other side and a difference covers both.
  for (std::uint32_t attempt = 0; attempt < 100; ++attempt) {
    x = random_values(m * model.input_size(), check.seed + 100 + 1000 * attempt, -2.0f, 2.0f);
    inputs.assign(x.begin(), x.end());
    expected = reference.forward(inputs, m, true);
    if (reference.margin > 2e-5) break;
  }
  if (reference.margin <= 2e-5) return false;

  std::map<std::string, std::vector<float>> gradients;
  model.plan_training(m + check.seed % 2, 9);  // a batch may be smaller than planned
  // Twice: nothing of one step is left to the next.
  for (int round = 0; round < 2; ++round) {
    backend.upload(model.training_input(), x.data(), x.size() * sizeof(float));
    const auto logits = downloaded(backend, model.forward_training(m, step), m * model.classes());
    CHECK(norm_of_difference(logits, expected) <= 1e-5 * norm(expected) + 1e-7);
    backend.upload(model.output_gradient(), weights.data(), weights.size() * sizeof(float));
    model.backward(m, step);
    for (const NamedTensor& gradient : model.gradient_tensors()) {
      CAPTURE(gradient.name);
      const auto values = downloaded(backend, gradient.values(), shape_size(gradient.shape));
      const auto [before, inserted] = gradients.emplace(gradient.name, values);
      CHECK((inserted || before->second == values));
    }
    if (round == 0) model.restore_running_statistics();
  }

  ReferenceSlope slope(reference, inputs, m, weights);
  for (const NamedTensor& gradient : model.gradient_tensors())
    check_gradient(slope, gradient, gradients.at(gradient.name), check);

  reference.forward(inputs, m, true, true);
  for (const NamedTensor& tensor : model.tensors()) {
    CAPTURE(tensor.name);
    // All but the running statistics are as they were.
    const Doubles& after = reference.tensors.at(tensor.name);
    CHECK(norm_of_difference(downloaded(backend, tensor.values(), shape_size(tensor.shape)), after) <=
          1e-5 * norm(after) + 1e-7);
  }
  check_features_pass(model, reference, x, weights, step, gradients, check.gradient_tolerance);
  return true;
}

// Prediction by the model: logits and features, of one example and of several, before and after its tensors changed.
inline void check_prediction(const ModelSpec& spec, std::uint32_t seed) {
  CAPTURE(seed);
  Model model(spec, cpu_backend());
  for (const std::uint32_t change : {0U, 1U}) {
    randomize(model, seed + change);
    ReferenceNetwork reference(model);
    for (const std::int64_t m : {3, 1, 5}) {
      CAPTURE(m);
      const auto x = random_values(m * model.input_size(), seed + 10 * static_cast<std::uint32_t>(m), -2.0f, 2.0f);
      const Doubles logits = reference.forward(Doubles(x.begin(), x.end()), m, false);
      std::vector<float> received(logits.size()), features(reference.features().size());
      REQUIRE(model.predict(x.data(), ExampleType::float32, m, Output::logits, received.data(), nullptr));
      CHECK(norm_of_difference(received, logits) <= 1e-5 * norm(logits) + 1e-5);
      REQUIRE(model.predict(x.data(), ExampleType::float32, m, Output::features, features.data(), nullptr));
      CHECK(norm_of_difference(features, reference.features()) <= 1e-5 * norm(reference.features()) + 1e-5);
    }
  }
}

}  // namespace onelogit::test
