// The model: structure, initial values, memory, inference with folded batch normalisation, determinism.
#include "model/model.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <thread>

#include "allocations.h"
#include "error.h"
#include "model/initializer.h"
#include "random_values.h"
#include "reference_network.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::Doubles;
using test::random_values;
using test::ReferenceNetwork;

LayerSpec layer(const char* type, std::int64_t units = 0, bool bias = true) {
  LayerSpec spec;
  spec.type = type;
  spec.units = units;
  spec.bias = bias;
  return spec;
}

ModelSpec paper_network(std::int64_t inputs, std::int64_t hidden, std::int64_t classes, bool bias = true) {
  return {{inputs},
          {layer("dense", hidden, bias), layer("batchNorm"), layer("relu"), layer("dense", hidden, bias),
           layer("batchNorm"), layer("relu"), layer("dense", classes)},
          11};
}

std::vector<float> values_of(const Model& model, const NamedTensor& tensor) {
  std::vector<float> values(static_cast<std::size_t>(shape_size(tensor.shape)));
  model.backend().download(values.data(), tensor.data, values.size() * sizeof(float));
  return values;
}

void randomize(Model& model, std::uint32_t seed) {
  for (const NamedTensor& tensor : model.tensors()) {
    const bool positive = tensor.name.ends_with("running_var");
    const auto values =
        random_values(shape_size(tensor.shape), seed++, positive ? 0.5f : -1.0f, positive ? 2.0f : 1.0f);
    model.backend().upload(tensor.data, values.data(), values.size() * sizeof(float));
  }
  model.tensors_changed();
}

template <class F>
std::string code_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(std::string(error.what()).starts_with("Expected "));
    return error.code();
  }
  return "none";
}

TEST_CASE("model: tensors have torch.nn.Sequential's names and shapes, 64-byte aligned") {
  Model model({{2, 3},
               {layer("flatten"), layer("dense", 4), layer("batchNorm"), layer("relu"), layer("dense", 5, false),
                layer("softmax")},
               0},
              cpu_backend());
  std::vector<std::string> names;
  for (const NamedTensor& tensor : model.tensors()) {
    names.push_back(tensor.name + describe_shape(tensor.shape) + (tensor.trainable ? "" : " fixed"));
    CHECK(reinterpret_cast<std::uintptr_t>(tensor.data) % 64 == 0);
  }
  CHECK(names == std::vector<std::string>{"1.weight[4, 6]", "1.bias[4]", "2.weight[4]", "2.bias[4]",
                                          "2.running_mean[4] fixed", "2.running_var[4] fixed", "4.weight[5, 4]"});
  CHECK(model.parameter_count() == 24 + 4 + 4 + 4 + 20);
  CHECK(model.input_size() == 6);
  CHECK(model.classes() == 5);
  CHECK(model.feature_size() == 4);
  CHECK(model.ends_in_softmax());
  CHECK(model.class_weight().name == "4.weight");
  CHECK(model.class_bias() == nullptr);
  Model with_bias(paper_network(3, 4, 2), cpu_backend());
  CHECK(with_bias.class_bias()->name == "6.bias");
  CHECK_FALSE(with_bias.ends_in_softmax());
}

TEST_CASE("model: layers that give no logits are errors") {
  const auto build = [](std::vector<LayerSpec> layers) {
    return code_of([&] { Model({{4}, layers, 0}, cpu_backend()); });
  };
  CHECK(build({}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("softmax")}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("relu")}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("dense", 3), layer("relu")}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("dense", 3), layer("batchNorm"), layer("softmax")}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("dense", 3), layer("softmax"), layer("softmax")}) == "ERR_ONELOGIT_LAYER");
  CHECK(build({layer("dense", 3), layer("softmax")}) == "none");
  CHECK(build({layer("dense", 1)}) == "none");
}

TEST_CASE("model: initial values have the variance of their scheme and depend on seed, tensor and element alone") {
  const std::int64_t n = 100000;
  struct Scheme {
    Initializer initializer;
    double variance, limit;  // limit 0: not bounded
  };
  const double he = 2.0 / 50, glorot = 2.0 / 200;
  for (const auto& [initializer, variance, limit] :
       {Scheme{Initializer::he_normal, he, 0}, Scheme{Initializer::he_uniform, he, std::sqrt(3 * he)},
        Scheme{Initializer::glorot_normal, glorot, 0},
        Scheme{Initializer::glorot_uniform, glorot, std::sqrt(3 * glorot)}}) {
    CAPTURE(static_cast<int>(initializer));
    const TensorSpec spec{"weight", {n}, true, initializer, 50, 150};
    std::vector<float> whole(n);
    initialize(spec, 4, 2, 0, n, whole.data());
    double mean = 0, square = 0, largest = 0, fourth = 0;
    for (const float value : whole) {
      mean += value / static_cast<double>(n);
      square += std::pow(value, 2) / static_cast<double>(n);
      fourth += std::pow(value, 4) / static_cast<double>(n);
      largest = std::max(largest, static_cast<double>(std::abs(value)));
    }
    CHECK(std::abs(mean) < 5 * std::sqrt(variance / n));
    CHECK(square / variance == doctest::Approx(1).epsilon(0.03));
    CHECK(fourth / square / square ==
          doctest::Approx(limit > 0 ? 1.8 : 3.0).epsilon(0.05));  // uniform and normal kurtosis
    if (limit > 0) {
      CHECK(largest <= limit);
      CHECK(largest > 0.999 * limit);
    }
    // In pieces of any length, odd beginnings included.
    std::vector<float> pieces(n);
    for (std::int64_t first = 0, count = 1; first < n; first += count, count = count * 3 % 9973 + 1)
      initialize(spec, 4, 2, first, std::min(count, n - first), pieces.data() + first);
    CHECK(whole == pieces);
    std::vector<float> other(n);
    initialize(spec, 5, 2, 0, n, other.data());
    CHECK(whole != other);
    initialize(spec, 4, 3, 0, n, other.data());
    CHECK(whole != other);
  }
}

TEST_CASE("model: dense layers start He normal, the last one Glorot uniform, biases at zero") {
  Model model({{400}, {layer("dense", 300), layer("batchNorm"), layer("relu"), layer("dense", 200)}, 1}, cpu_backend());
  const auto variance = [&](std::size_t tensor) {
    double sum = 0;
    const auto values = values_of(model, model.tensors()[tensor]);
    for (const float value : values) sum += static_cast<double>(value) * value;
    return sum / static_cast<double>(values.size());
  };
  CHECK(variance(0) == doctest::Approx(2.0 / 400).epsilon(0.03));
  CHECK(variance(6) == doctest::Approx(2.0 / 500).epsilon(0.03));
  CHECK(variance(1) == 0);
  CHECK(variance(7) == 0);
  for (const float scale : values_of(model, model.tensors()[2])) CHECK(scale == 1.0f);
}

TEST_CASE("model: inference with batch normalisation folded equals the unfolded network, over chunks and odd tails") {
  Backend& backend = cpu_backend();
  for (const bool bias : {true, false}) {
    ModelSpec spec = paper_network(13, 9, 6, bias);
    spec.layers.insert(spec.layers.begin() + 2, layer("batchNorm"));  // one that cannot be folded
    spec.layers.insert(spec.layers.begin() + 4, layer("dropout"));
    spec.layers.push_back(layer("softmax"));
    Model model(spec, backend);
    for (std::uint32_t change = 0; change < 2; ++change) {
      randomize(model, 50 + change);  // the second time a stale folded copy would show
      ReferenceNetwork reference(model);
      ReferenceNetwork trunk = reference;
      trunk.spec.layers.resize(trunk.spec.layers.size() - 2);
      for (const std::int64_t m : {0, 1, 2, 255, 256, 257, 600}) {
        CAPTURE(m);
        const auto x = random_values(m * 13, static_cast<std::uint32_t>(m) + 1, -2.0f, 2.0f);
        if (m == 0) {
          CHECK(model.predict(x.data(), ExampleType::float32, 0, Output::logits, nullptr, nullptr));
          continue;
        }
        const Doubles inputs(x.begin(), x.end());
        const Doubles logits = reference.forward(inputs, m, false), features = trunk.forward(inputs, m, false);
        std::vector<float> out(static_cast<std::size_t>(m * 6));
        REQUIRE(model.predict(x.data(), ExampleType::float32, m, Output::logits, out.data(), nullptr));
        for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(test::close(out[i], logits[i], 1e-5, 1e-4));
        REQUIRE(model.predict(x.data(), ExampleType::float32, m, Output::softmax, out.data(), nullptr));
        for (std::int64_t row = 0; row < m; ++row) {
          double sum = 0;
          for (std::int64_t j = 0; j < 6; ++j) sum += std::exp(logits[row * 6 + j]);
          for (std::int64_t j = 0; j < 6; ++j)
            REQUIRE(test::close(out[row * 6 + j], std::exp(logits[row * 6 + j]) / sum, 1e-4, 1e-5));
        }
        std::vector<float> hidden(static_cast<std::size_t>(m * 9));
        REQUIRE(model.predict(x.data(), ExampleType::float32, m, Output::features, hidden.data(), nullptr));
        for (std::size_t i = 0; i < hidden.size(); ++i) REQUIRE(test::close(hidden[i], features[i], 1e-5, 1e-4));
      }
    }
  }
}

// 8 MiB for an example: more of them than a pass takes at a time.
TEST_CASE("model: wide layers run for few examples at a time, the last one for all") {
  LayerSpec conv = layer("conv2d");
  conv.filters = 4;
  Model model({{512, 512, 4}, {conv, layer("relu"), layer("globalAvgPool"), layer("dense", 3)}, 0}, cpu_backend());
  randomize(model, 3);
  const std::int64_t m = test::small_run() ? 9 : 19;
  const auto x = random_values(m * model.input_size(), 5);
  for (const Output output : {Output::features, Output::logits}) {
    const std::int64_t columns = output == Output::features ? 4 : 3;
    std::vector<float> together(static_cast<std::size_t>(m * columns)), alone(together.size());
    REQUIRE(model.predict(x.data(), ExampleType::float32, m, output, together.data(), nullptr));
    for (std::int64_t i = 0; i < m; ++i)
      REQUIRE(model.predict(x.data() + i * model.input_size(), ExampleType::float32, 1, output,
                            alone.data() + i * columns, nullptr));
    for (std::size_t i = 0; i < alone.size(); ++i) CHECK(test::close(together[i], alone[i], 1e-6, 1e-6));
  }
}

TEST_CASE("model: preprocessing is applied to bytes and floats alike") {
  Model model(paper_network(6, 4, 3), cpu_backend());
  randomize(model, 1);
  model.preprocessing = Preprocessing{1.0f / 255.0f, {0.1f, 0.2f, 0.3f}, {0.5f, 0.6f, 0.7f}};
  std::vector<std::uint8_t> bytes;
  std::vector<float> floats;
  Doubles prepared;
  for (int i = 0; i < 6 * 5; ++i) {
    bytes.push_back(static_cast<std::uint8_t>(i * 37));
    floats.push_back(bytes.back());
    const int c = i % 3;
    prepared.push_back((bytes.back() / 255.0 - 0.1 * (c + 1)) / (0.5 + 0.1 * c));
  }
  std::vector<float> from_bytes(15), from_floats(15);
  model.predict(bytes.data(), ExampleType::uint8, 5, Output::logits, from_bytes.data(), nullptr);
  model.predict(floats.data(), ExampleType::float32, 5, Output::logits, from_floats.data(), nullptr);
  const Doubles expected = ReferenceNetwork(model).forward(prepared, 5, false);
  for (std::size_t i = 0; i < 15; ++i) {
    CHECK(test::close(from_bytes[i], expected[i], 1e-5, 1e-5));
    CHECK(test::close(from_floats[i], expected[i], 1e-5, 1e-5));
  }
}

TEST_CASE("model: predict stops when cancelled, keeps NaN, and serves several threads") {
  Model model(paper_network(20, 16, 4), cpu_backend());
  randomize(model, 9);
  const std::int64_t m = 700;
  auto x = random_values(m * 20, 4);
  std::vector<float> expected(m * 4);
  model.predict(x.data(), ExampleType::float32, m, Output::logits, expected.data(), nullptr);
  std::atomic<bool> cancelled{true};
  CHECK_FALSE(model.predict(x.data(), ExampleType::float32, m, Output::logits, expected.data(), &cancelled));

  std::vector<std::vector<float>> results(4, std::vector<float>(m * 4));
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 5; ++repeat)
        model.predict(x.data(), ExampleType::float32, m - repeat, Output::logits, result.data(), nullptr);
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(std::equal(result.begin(), result.end() - 16, expected.begin()));

  x[20 * 3 + 7] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> out(m * 4);
  model.predict(x.data(), ExampleType::float32, m, Output::logits, out.data(), nullptr);
  for (std::int64_t i = 0; i < m * 4; ++i) REQUIRE(std::isnan(out[static_cast<std::size_t>(i)]) == (i / 4 == 3));
}

// Runs `steps` training steps and returns all tensors.
std::vector<float> trained_tensors(const ModelSpec& spec, const OptimizerSpec& optimizer, std::int64_t m,
                                   std::int64_t steps, std::int64_t* allocated = nullptr) {
  Backend& backend = cpu_backend();
  Model model(spec, backend);
  LossSpec loss;
  loss.kind = LossKind::batch_cross_entropy;
  const auto kernel = backend.make_loss(loss, model.classes(), m);
  model.plan_training(m, 3);
  const int states = optimizer_state_count(optimizer);
  model.parameter_slices(states);
  const auto x = random_values(m * model.input_size(), 8);
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < m; ++i) labels.push_back(static_cast<std::int32_t>(i % model.classes()));
  double value = 0;
  float scale = 1;
  std::int64_t before = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    if (step == 2) before = test::allocations();  // thread pools and work spaces of libraries exist by now
    backend.load_examples(x.data(), ExampleType::float32, nullptr, m, model.input_size(), {}, model.training_input());
    const float* logits = model.forward_training(m, static_cast<std::uint64_t>(step));
    kernel->value_and_gradient(logits, labels.data(), m, static_cast<std::uint64_t>(step), &value,
                               model.output_gradient());
    model.backward(m, static_cast<std::uint64_t>(step));
    const auto& slices = model.parameter_slices(states);
    backend.clip_scale(slices, 1.0f, nullptr, &scale);
    backend.optimizer_step(optimizer, 0.01f, static_cast<std::uint64_t>(step) + 1, slices, &scale);
  }
  if (allocated != nullptr) *allocated = test::allocations() - before;
  std::vector<float> all;
  for (const NamedTensor& tensor : model.tensors()) {
    const auto values = values_of(model, tensor);
    all.insert(all.end(), values.begin(), values.end());
  }
  // The gaps between tensors stay zero: they are part of what the optimizer and clipping see.
  std::int64_t covered = 0, size = 0;
  double in_tensors = 0, in_slices = 0;
  for (const NamedTensor& tensor : model.tensors()) {
    if (!tensor.trainable) continue;
    for (const float v : values_of(model, tensor)) in_tensors += std::abs(static_cast<double>(v));
    covered += shape_size(tensor.shape);
  }
  for (const ParameterSlice& slice : model.parameter_slices(states)) {
    size += slice.size;
    for (std::int64_t i = 0; i < slice.size; ++i) in_slices += std::abs(static_cast<double>(slice.value[i]));
  }
  CHECK(covered < size);
  CHECK(in_slices == doctest::Approx(in_tensors).epsilon(1e-12));
  return all;
}

TEST_CASE("model: a training step allocates nothing and repeats bit for bit") {
  ModelSpec spec = paper_network(37, 29, 11);
  spec.layers.insert(spec.layers.begin() + 3, layer("dropout"));
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw}) {
    OptimizerSpec optimizer;
    optimizer.kind = kind;
    optimizer.momentum = 0.9;
    optimizer.weight_decay = 0.01;
    std::int64_t allocated = -1;
    const auto first = trained_tensors(spec, optimizer, 50, 12, &allocated);
    CHECK(allocated == 0);
    const auto again = trained_tensors(spec, optimizer, 50, 12);
    CHECK(std::memcmp(first.data(), again.data(), first.size() * sizeof(float)) == 0);
    spec.seed++;
    CHECK(trained_tensors(spec, optimizer, 50, 12) != first);
  }
}

TEST_CASE("model: optimizer state has names, starts at zero and ends with the training") {
  Model model(paper_network(5, 4, 3), cpu_backend());
  CHECK(code_of([&] { model.forward_training(4, 0); }) == "ERR_ONELOGIT_INTERNAL");
  CHECK(code_of([&] { model.plan_training(1, 0); }) == "ERR_ONELOGIT_BATCH_SIZE");
  model.plan_training(4, 0);
  CHECK(model.optimizer_tensors().empty());
  model.parameter_slices(2);
  auto states = model.optimizer_tensors();
  REQUIRE(states.size() == 2 * 10);
  CHECK(states.front().name == "optimizer.0.0.weight");
  CHECK(states.back().name == "optimizer.1.6.bias");
  CHECK(states.back().shape == Shape{3});
  const float one = 1;
  model.backend().upload(states.front().data, &one, sizeof one);
  const float* input = model.training_input();
  model.plan_training(4, 0);  // the same plan: kept
  CHECK(model.training_input() == input);
  CHECK(values_of(model, model.optimizer_tensors().front())[0] == 1.0f);
  model.release_training();
  model.plan_training(4, 0);
  model.parameter_slices(2);
  CHECK(values_of(model, model.optimizer_tensors().front())[0] == 0.0f);
}

}  // namespace
}  // namespace onelogit
