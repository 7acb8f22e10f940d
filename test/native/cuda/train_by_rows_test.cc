// A network whose first and last layer are updated by rows, trained on the CUDA backend as on the CPU.

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "backend/cuda/cuda_backend.h"
#include "device_array.h"
#include "distance.h"
#include "error.h"
#include "optimizer_specs.h"
#include "train/last_layer.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

// Words of a class: some of its own, and a common one that most places have.
struct WordSource final : ExampleSource {
  static constexpr std::int64_t words = 4, classes_count = 9, vocabulary = 60;
  explicit WordSource(std::int64_t n) {
    std::mt19937 random(3);
    for (std::int64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<std::int32_t>(i % classes_count));
      for (std::int64_t w = 0; w < words; ++w)
        inputs.push_back(w > 1 ? 0 : static_cast<std::int32_t>(1 + labels.back() * 6 + random() % 6));
    }
  }
  std::int64_t length() const override { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t features() const override { return words; }
  std::int64_t classes() const override { return classes_count; }
  InMemory in_memory() const override { return {inputs.data(), ExampleType::int32, labels.data()}; }
  bool read(const std::int64_t*, std::int64_t, HostBatch&) override { throw std::logic_error("read of memory"); }

  std::vector<std::int32_t> inputs, labels;
};

struct Trained {
  std::vector<float> weights;
  double loss, accuracy;
};

Trained train_on(Backend& backend, const OptimizerSpec& optimizer, const LossSpec& loss, std::int64_t steps,
                 const TrainHooks& hooks = {}) {
  LayerSpec embedding = layer("embedding", 6);
  embedding.vocabulary = WordSource::vocabulary;
  Model model(
      {{WordSource::words},
       {embedding, layer("flatten"), layer("dense", 12), layer("relu"), layer("dense", WordSource::classes_count)},
       3},
      backend);
  TrainOptions options = small_options(std::make_shared<WordSource>(180));
  options.loss = loss;
  options.optimizer = optimizer;
  options.optimizer.epsilon = 1e-3;  // steps of full size must not come out of rounding errors
  options.optimizer.clip_norm = 5;
  options.steps = steps;
  options.memory = HeadMemory::store;
  options.validation = std::make_shared<WordSource>(90);
  options.record_every = 2;
  const TrainResult result = train(model, options, hooks);
  return {tensors_of(model), result.final_loss, result.validation->accuracy};
}

std::vector<LossSpec> losses() {
  std::vector<LossSpec> all(3);
  all[0].kind = LossKind::max_margin;
  for (std::size_t n : {std::size_t{1}, std::size_t{2}}) {
    all[n].kind = LossKind::nce;
    all[n].num_sampled = 5;
    all[n].samples = n == 1 ? NoiseSamples::shared : NoiseSamples::per_example;
  }
  return all;
}

TEST_CASE("cuda backend: embeddings and few rows of the last layer are trained the CPU's way") {
  CudaBackend cuda;
  for (const LossSpec& loss : losses())
    for (const OptimizerSpec& optimizer : optimizer_specs()) {
      CAPTURE(loss_name(loss.kind));
      CAPTURE(static_cast<int>(optimizer.kind));
      CAPTURE(optimizer.momentum);
      const Trained expected = train_on(cpu_backend(), optimizer, loss, 8),
                    trained = train_on(cuda, optimizer, loss, 8);
      CHECK(distance(trained.weights, expected.weights) < 1e-4);
      CHECK(trained.loss == doctest::Approx(expected.loss).epsilon(1e-3));
      CHECK(trained.accuracy == doctest::Approx(expected.accuracy));
    }
  CAPTURE(cuda.step_use().refusal);
  CHECK(cuda.step_use().replayed == 7 * losses().size() * optimizer_specs().size());
}

#if defined(ONELOGIT_CUDA_HOST)  // which can lose a device without the process
TEST_CASE("cuda backend: a device that is lost while rows rest is an error, and no crash") {
  OptimizerSpec optimizer;
  optimizer.learning_rate = 0.02;
  optimizer.momentum = 0.9;
  for (const LossSpec& loss : losses()) {
    CudaBackend cuda;
    TrainHooks hooks;
    hooks.record = [](const TrainRecord& record) { cuda_host::lose_device(record.kind == TrainRecord::Kind::steps); };
    std::string code;
    try {
      train_on(cuda, optimizer, loss, 8, hooks);
    } catch (const Error& error) {
      code = error.code();
    }
    cuda_host::lose_device(false);
    CHECK(code == "ERR_ONELOGIT_CUDA");
  }
}
#endif

TEST_CASE("cuda backend: training by rows gives the same bits in every order of threads, and learns") {
  for (const LossSpec& loss : losses()) {
    std::vector<float> first;
    for (const auto& order : orders()) {
      cuda_host::set_order(order.order);
      CudaBackend cuda;
      OptimizerSpec optimizer;
      optimizer.kind = OptimizerKind::adamw;
      optimizer.learning_rate = 0.02;
      optimizer.weight_decay = 0.01;
      const bool learns =
          loss.num_sampled > 0 && loss.samples == NoiseSamples::shared && order.name == orders()[0].name;
      const Trained trained = train_on(cuda, optimizer, loss, 6);
      if (learns) CHECK(train_on(cuda, optimizer, loss, 60).accuracy > 0.8);
      if (first.empty()) first = trained.weights;
      CAPTURE(order.name);
      CAPTURE(loss_name(loss.kind));
      CHECK(same_bits(trained.weights, first));
    }
    cuda_host::set_order({});
  }
}

}  // namespace
}  // namespace onelogit
