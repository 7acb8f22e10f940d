// Ten whole training steps against PyTorch: logits and every parameter's gradient of the first, all losses, and the
// tensors at the end. The values are written by test/golden/training_step.py.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "format/safetensors.h"
#include "model/model.h"

namespace onelogit {
namespace {

constexpr std::int64_t inputs = 9, classes = 5, batch = 12, steps = 10;

struct Case {
  std::string name;
  LossKind loss;
  bool hidden_bias;
  OptimizerSpec optimizer;
};

std::vector<Case> cases() {
  OptimizerSpec sgd, nesterov, clipped, adam, adamw;
  sgd.learning_rate = 0.1;
  sgd.momentum = 0.9;
  sgd.weight_decay = 1e-3;
  nesterov.learning_rate = 0.05;
  nesterov.momentum = 0.8;
  nesterov.nesterov = true;
  clipped.learning_rate = 0.5;
  clipped.clip_norm = 0.3;
  adam.kind = OptimizerKind::adam;
  adam.learning_rate = 0.01;
  adam.beta2 = 0.99;
  adam.weight_decay = 1e-2;
  adamw.kind = OptimizerKind::adamw;
  adamw.learning_rate = 0.02;
  adamw.weight_decay = 0.05;
  return {{"sgd", LossKind::batch_cross_entropy, true, sgd},
          {"sgd-nesterov", LossKind::cross_entropy, true, nesterov},
          {"sgd-clipped", LossKind::cross_entropy, true, clipped},
          {"adam", LossKind::cross_entropy, false, adam},
          {"adamw", LossKind::batch_cross_entropy, false, adamw}};
}

ModelSpec network(bool hidden_bias) {
  const auto layer = [](const char* type, std::int64_t units = 0, bool bias = true) {
    LayerSpec spec;
    spec.type = type;
    spec.units = units;
    spec.bias = bias;
    return spec;
  };
  return {{inputs},
          {layer("dense", 8, hidden_bias), layer("batchNorm"), layer("relu"), layer("dense", 7, hidden_bias),
           layer("batchNorm"), layer("relu"), layer("dense", classes)},
          0};
}

std::vector<float> stored(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry* entry = file.find(name);
  REQUIRE_MESSAGE(entry != nullptr, name);
  std::vector<float> values(static_cast<std::size_t>(entry->elements()));
  file.read_float32(*entry, values.data());
  return values;
}

// |a − b| ≤ absolute + relative · |b| for every element.
void check_close(Backend& backend, const float* data, const std::vector<float>& expected, double absolute,
                 double relative) {
  std::vector<float> actual(expected.size());
  backend.download(actual.data(), data, actual.size() * sizeof(float));
  for (std::size_t i = 0; i < actual.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(static_cast<double>(actual[i]) - expected[i]) <= absolute + relative * std::abs(expected[i]));
  }
}

TEST_CASE("training step: ten steps equal PyTorch's") {
  const auto file = SafetensorsFile::open(ONELOGIT_TEST_DIRECTORY "/golden/training_step.safetensors");
  Backend& backend = cpu_backend();
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const std::string prefix = c.name + "/";
    Model model(network(c.hidden_bias), backend);
    for (const NamedTensor& tensor : model.tensors()) {
      const auto values = stored(file, prefix + "start/" + tensor.name);
      REQUIRE(static_cast<std::int64_t>(values.size()) == shape_size(tensor.shape));
      backend.upload(tensor.values(), values.data(), values.size() * sizeof(float));
    }
    const auto x = stored(file, prefix + "inputs");
    std::vector<std::int32_t> labels(steps * batch);
    file.read(*file.find(prefix + "labels"), labels.data(), 0, labels.size() * sizeof(std::int32_t));
    std::vector<double> losses(steps);
    file.read(*file.find(prefix + "losses"), losses.data(), 0, losses.size() * sizeof(double));

    LossSpec loss;
    loss.kind = c.loss;
    const auto kernel = backend.make_loss(loss, classes, batch);
    model.plan_training(batch, 0);
    const int states = optimizer_state_count(c.optimizer);
    for (std::int64_t step = 0; step < steps; ++step) {
      CAPTURE(step);
      backend.upload(model.training_input(), x.data() + step * batch * inputs, batch * inputs * sizeof(float));
      const float* logits = model.forward_training(batch, static_cast<std::uint64_t>(step));
      double value = 0;
      kernel->value_and_gradient(logits, labels.data() + step * batch, batch, 0, &value, model.output_gradient());
      CHECK(std::abs(value - losses[static_cast<std::size_t>(step)]) <= 1e-5);
      model.backward(batch, static_cast<std::uint64_t>(step));
      if (step == 0) {
        check_close(backend, logits, stored(file, prefix + "logits"), 1e-5, 1e-5);
        for (const NamedTensor& gradient : model.gradient_tensors()) {
          CAPTURE(gradient.name);
          check_close(backend, gradient.values(), stored(file, prefix + "gradient/" + gradient.name), 1e-6, 1e-5);
        }
      }
      float scale = 1;
      if (c.optimizer.clip_norm > 0)
        backend.clip_scale(model.parameter_slices(states), static_cast<float>(c.optimizer.clip_norm), nullptr, &scale);
      backend.optimizer_step(c.optimizer, static_cast<float>(c.optimizer.learning_rate),
                             static_cast<std::uint64_t>(step) + 1, model.parameter_slices(states),
                             c.optimizer.clip_norm > 0 ? &scale : nullptr);
    }
    for (const NamedTensor& tensor : model.tensors()) {
      CAPTURE(tensor.name);
      check_close(backend, tensor.values(), stored(file, prefix + "end/" + tensor.name), 2e-5, 1e-5);
    }
  }
}

}  // namespace
}  // namespace onelogit
