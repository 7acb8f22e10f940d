// The training loop: order, batches, schedules, validation, progress, errors, checkpoints.
#include "train/trainer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "random_values.h"

namespace onelogit {
namespace {

using test::random_values;

LayerSpec layer(const char* type, std::int64_t units = 0) {
  LayerSpec spec;
  spec.type = type;
  spec.units = units;
  return spec;
}

// Clusters: an example of class c is a random corner of its own plus noise.
struct MemorySource final : ExampleSource {
  MemorySource(std::int64_t n, std::int64_t features, std::int64_t classes, std::uint32_t seed)
      : features_(features), classes_(classes), inputs(random_values(n * features, seed, -0.6f, 0.6f)) {
    const auto centres = random_values(classes * features, 1);
    for (std::int64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<std::int32_t>((i * 7 + i / 3) % classes));
      for (std::int64_t j = 0; j < features; ++j) inputs[i * features + j] += centres[labels.back() * features + j];
    }
  }
  std::int64_t length() const override { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t features() const override { return features_; }
  std::int64_t classes() const override { return classes_; }
  InMemory in_memory() const override { return {inputs.data(), ExampleType::float32, labels.data()}; }
  bool read(const std::int64_t*, std::int64_t, HostBatch&) override { return false; }

  std::int64_t features_, classes_;
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

ModelSpec network(std::int64_t features, std::int64_t classes) {
  return {{features},
          {layer("dense", 16), layer("batchNorm"), layer("relu"), layer("dense", 12), layer("batchNorm"), layer("relu"),
           layer("dense", classes)},
          3};
}

TrainOptions options_for(std::shared_ptr<ExampleSource> source, LossKind loss = LossKind::batch_cross_entropy) {
  TrainOptions options;
  options.loss.kind = loss;
  options.optimizer.learning_rate = 0.05f;
  options.optimizer.momentum = 0.9f;
  options.steps = 200;
  options.batch_size = 32;
  options.seed = 5;
  options.training = std::move(source);
  return options;
}

TEST_CASE("trainer: every loss learns separable clusters") {
  const auto source = std::make_shared<MemorySource>(300, 10, 5, 2);
  const auto held_out = std::make_shared<MemorySource>(100, 10, 5, 77);
  for (const LossKind kind :
       {LossKind::cross_entropy, LossKind::max_margin, LossKind::self_normalization, LossKind::nce,
        LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin}) {
    CAPTURE(loss_name(kind));
    Model model(network(10, 5), cpu_backend());
    TrainOptions options = options_for(source, kind);
    options.validation = held_out;
    const TrainResult result = train(model, options, {});
    CHECK(result.steps == 200);
    CHECK(result.final_accuracy > 0.95);
    REQUIRE(result.validation);
    CHECK(result.validation->accuracy > 0.9);
    CHECK(std::isfinite(result.validation->loss));
    CHECK(model.trained);
  }
}

}  // namespace
}  // namespace onelogit
