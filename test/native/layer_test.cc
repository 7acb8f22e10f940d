// Every layer, alone and in chains, against the float64 reference network: outputs, and gradients against its finite
// differences.
#include <doctest/doctest.h>

#include <numeric>

#include "error.h"
#include "model/model.h"
#include "random_values.h"
#include "reference_network.h"

namespace onelogit {
namespace {

using test::Doubles;
using test::random_values;
using test::ReferenceNetwork;

LayerSpec layer(const char* type) {
  LayerSpec spec;
  spec.type = type;
  return spec;
}
LayerSpec dense(std::int64_t units, bool bias = true) {
  LayerSpec spec = layer("dense");
  spec.units = units;
  spec.bias = bias;
  return spec;
}
LayerSpec dropout(float rate) {
  LayerSpec spec = layer("dropout");
  spec.rate = rate;
  return spec;
}

// Random values everywhere: biases of zero and scales of one would hide what is not used.
void randomize(Model& model, std::uint32_t seed) {
  for (const NamedTensor& tensor : model.tensors()) {
    const bool positive = tensor.name.ends_with("running_var");
    const auto values =
        random_values(shape_size(tensor.shape), seed++, positive ? 0.5f : -1.0f, positive ? 2.0f : 1.0f);
    model.backend().upload(tensor.values(), values.data(), values.size() * sizeof(float));
  }
  model.tensors_changed();
}

double weighted_sum(const Doubles& logits, const std::vector<float>& weights) {
  return std::inner_product(logits.begin(), logits.end(), weights.begin(), 0.0);
}

double norm_of_difference(const std::vector<float>& a, const Doubles& b) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum);
}

double norm(const Doubles& a) { return std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0)); }

std::vector<float> downloaded(Backend& backend, const float* data, std::int64_t size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  backend.download(values.data(), data, values.size() * sizeof(float));
  return values;
}

// d(Σ c·logits)/d(parameters) of a training pass, against central differences of the reference.
void check_gradients(const ModelSpec& spec, std::int64_t m, std::uint32_t seed) {
  CAPTURE(m);
  CAPTURE(seed);
  Backend& backend = cpu_backend();
  Model model(spec, backend);
  randomize(model, seed);
  const std::uint64_t step = seed + 5;
  ReferenceNetwork reference(model);
  reference.draw_dropout(backend, m, 9, step);
  const auto x = random_values(m * model.input_size(), seed + 100, -2.0f, 2.0f);
  const auto c = random_values(m * model.classes(), seed + 200);

  model.plan_training(m, 9);
  backend.upload(model.training_input(), x.data(), x.size() * sizeof(float));
  const auto logits = downloaded(backend, model.forward_training(m, step), m * model.classes());
  backend.upload(model.output_gradient(), c.data(), c.size() * sizeof(float));
  model.backward(m, step);

  const Doubles inputs(x.begin(), x.end());
  const Doubles expected = reference.forward(inputs, m, true);
  CHECK(norm_of_difference(logits, expected) <= 1e-5 * norm(expected) + 1e-7);
  for (const NamedTensor& gradient : model.gradient_tensors()) {
    CAPTURE(gradient.name);
    const auto actual = downloaded(backend, gradient.values(), shape_size(gradient.shape));
    Doubles& parameter = reference.tensors.at(gradient.name);
    Doubles difference(actual.size());
    constexpr double h = 1e-6;
    for (std::size_t i = 0; i < parameter.size(); ++i) {
      const double value = parameter[i];
      parameter[i] = value + h;
      const double above = weighted_sum(reference.forward(inputs, m, true), c);
      parameter[i] = value - h;
      const double below = weighted_sum(reference.forward(inputs, m, true), c);
      parameter[i] = value;
      difference[i] = (above - below) / (2 * h);
    }
    // A bias before batch normalisation has no effect: its gradient is rounding around zero, hence the absolute part.
    CHECK(norm_of_difference(actual, difference) <= 1e-4 * norm(difference) + 2e-5 * std::sqrt(static_cast<double>(m)));
  }
}

TEST_CASE("layer: gradients equal float64 finite differences") {
  const std::vector<std::pair<const char*, ModelSpec>> networks = {
      {"dense", {{5}, {dense(3)}}},
      {"dense without bias", {{5}, {dense(4, false), dense(3, false)}}},
      {"dense over an image", {{2, 3, 2}, {dense(4), dense(3)}}},
      {"relu", {{7}, {dense(6), layer("relu"), dense(3)}}},
      {"batchNorm", {{5}, {dense(4), layer("batchNorm"), dense(3)}}},
      {"batchNorm first", {{5}, {layer("batchNorm"), dense(3)}}},
      {"batchNorm per channel", {{3, 2, 2}, {layer("batchNorm"), layer("flatten"), dense(3)}}},
      {"relu first", {{6}, {layer("relu"), dense(3)}}},
      {"dropout", {{6}, {dense(9), dropout(0.4f), dense(3)}}},
      {"dropout first", {{8}, {dropout(0.3f), dense(3)}}},
      {"flatten", {{2, 2, 3}, {layer("flatten"), dense(4), layer("flatten"), dense(2)}}},
      {"softmax inside", {{5}, {dense(4), layer("softmax"), dense(3)}}},
      {"softmax per channel", {{2, 3}, {dense(4), layer("softmax"), layer("batchNorm"), dense(3)}}},
      {"a last softmax", {{5}, {dense(4), layer("relu"), dense(3), layer("softmax")}}},
      {"the paper's hidden layers",
       {{6}, {dense(7), layer("batchNorm"), layer("relu"), dense(5), layer("batchNorm"), layer("relu"), dense(4)}}},
      // In-place layers behind a layer whose output the backward pass reads again.
      {"softmax then dropout", {{5}, {dense(6), layer("softmax"), dropout(0.5f), dense(3)}}},
      {"softmax then relu", {{5}, {dense(6), layer("softmax"), layer("relu"), dropout(0.2f), dense(3)}}},
      {"relu then softmax",
       {{5}, {dense(6), layer("relu"), layer("softmax"), layer("flatten"), dropout(0.5f), dense(3)}}},
      {"relu then dropout", {{5}, {dense(6), layer("relu"), dropout(0.5f), dense(3)}}},
  };
  for (const auto& [name, spec] : networks) {
    CAPTURE(name);
    for (const std::int64_t m : {2, 3, 17}) check_gradients(spec, m, static_cast<std::uint32_t>(m));
  }
  check_gradients({{5}, {dense(4), layer("relu"), dense(3)}}, 1, 1);
}

TEST_CASE("layer: running statistics follow the batches as PyTorch's do, and can be put back") {
  Backend& backend = cpu_backend();
  const ModelSpec spec{{4}, {dense(3), layer("batchNorm"), dense(2)}};
  Model model(spec, backend);
  randomize(model, 3);
  ReferenceNetwork reference(model);
  model.plan_training(6, 0);
  std::vector<float> before_last;
  for (std::uint32_t step = 0; step < 4; ++step) {
    const auto x = random_values(6 * 4, step + 40);
    backend.upload(model.training_input(), x.data(), x.size() * sizeof(float));
    before_last = downloaded(backend, model.tensors()[4].values(), 3);
    model.forward_training(6, step);
    reference.forward(Doubles(x.begin(), x.end()), 6, true, true);
  }
  for (const std::size_t i : {4, 5}) {
    const NamedTensor& tensor = model.tensors()[i];
    const Doubles& expected = reference.tensors.at(tensor.name);
    CHECK(norm_of_difference(downloaded(backend, tensor.values(), 3), expected) < 1e-6 * (1 + norm(expected)));
  }
  model.restore_running_statistics();
  CHECK(downloaded(backend, model.tensors()[4].values(), 3) == before_last);
}

TEST_CASE("layer: dropout drops its share, keeps the mean, draws anew for each step and layer") {
  Backend& backend = cpu_backend();
  const std::int64_t n = 200000;
  std::vector<float> ones(n, 1.0f), first(n), again(n), next(n), other(n);
  backend.dropout(ones.data(), first.data(), n, 0.3f, mix_key(7, 2), 11);
  backend.dropout(ones.data(), again.data(), n, 0.3f, mix_key(7, 2), 11);
  backend.dropout(ones.data(), next.data(), n, 0.3f, mix_key(7, 2), 12);
  backend.dropout(ones.data(), other.data(), n, 0.3f, mix_key(7, 3), 11);
  CHECK(first == again);
  CHECK(first != next);
  CHECK(first != other);
  const auto zeros = static_cast<double>(std::count(first.begin(), first.end(), 0.0f));
  CHECK(std::abs(zeros / n - 0.3) < 5 * std::sqrt(0.3 * 0.7 / n));
  for (const float value : first) REQUIRE((value == 0.0f || std::abs(value - 1.0f / 0.7f) < 1e-6f));
}

std::string code_of(const LayerSpec& spec, const Shape& shape) {
  try {
    make_layer(spec, shape);
  } catch (const Error& error) {
    CHECK(std::string(error.what()).starts_with("Expected "));
    return error.code();
  }
  return "none";
}

TEST_CASE("layer: impossible options and shapes are errors") {
  const auto with = [](LayerSpec spec, auto change) {
    change(spec);
    return spec;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(code_of(layer("dens"), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(layer(""), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(0), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(-3), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(std::int64_t{1} << 40), {1 << 20}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(3), {}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(3), {4, 0}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(3), {4, -1}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dense(3), {std::int64_t{1} << 30, std::int64_t{1} << 30}) == "ERR_ONELOGIT_LAYER");
  for (const float rate : {-0.1f, 1.0f, 2.0f, nan}) CHECK(code_of(dropout(rate), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(dropout(0.0f), {4}) == "none");
  for (const float epsilon : {0.0f, -1.0f, nan, std::numeric_limits<float>::infinity()})
    CHECK(code_of(with(layer("batchNorm"), [&](LayerSpec& s) { s.epsilon = epsilon; }), {4}) == "ERR_ONELOGIT_LAYER");
  for (const float momentum : {-0.1f, 1.1f, nan})
    CHECK(code_of(with(layer("batchNorm"), [&](LayerSpec& s) { s.momentum = momentum; }), {4}) == "ERR_ONELOGIT_LAYER");
  CHECK(code_of(with(layer("batchNorm"), [](LayerSpec& s) { s.momentum = 1.0f; }), {4}) == "none");
}

}  // namespace
}  // namespace onelogit
