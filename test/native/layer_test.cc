// Layers, alone and in chains, against the float64 reference network: outputs, and gradients against its finite
// differences.
#include <doctest/doctest.h>

#include "check_network.h"
#include "error.h"
#include "layer_specs.h"
#include "model/model.h"
#include "random_values.h"
#include "reference_network.h"

namespace onelogit {
namespace {

using test::check_prediction;
using test::check_training;
using test::dense;
using test::Doubles;
using test::downloaded;
using test::dropout;
using test::layer;
using test::norm;
using test::norm_of_difference;
using test::random_values;
using test::randomize;
using test::ReferenceNetwork;

TEST_CASE("layer: gradients equal float64 finite differences") {
  const std::vector<std::pair<std::string, ModelSpec>> networks = {
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
    for (const std::int64_t m : {2, 3, 17})
      CHECK(check_training(spec, {.m = m, .seed = static_cast<std::uint32_t>(m)}));
    check_prediction(spec, 4);
  }
  CHECK(check_training({{5}, {dense(4), layer("relu"), dense(3)}}, {.m = 1}));
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
