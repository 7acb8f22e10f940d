// Batches are copied while the steps before them run, and a step waits for nothing else.

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "device_array.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;
using cuda_host::Delay;

// Bytes, of the same clusters.
struct Bytes final : MemorySource {
  Bytes() : MemorySource(150, 10, 5, 2) {
    for (const float x : inputs) bytes.push_back(static_cast<std::uint8_t>(x * 60 + 128));
  }
  InMemory in_memory() const override { return {bytes.data(), ExampleType::uint8, labels.data()}; }
  std::vector<std::uint8_t> bytes;
};

struct Case {
  std::string name;
  std::shared_ptr<ExampleSource> source;
  ModelSpec network;
};
std::vector<Case> cases() {
  LayerSpec embedding = layer("embedding", 8);
  embedding.vocabulary = 30;
  return {{"float32", std::make_shared<MemorySource>(150, 10, 5, 2), small_network(10, 5)},
          {"streamed", std::make_shared<StreamSource>(150, 10, 5, 2), small_network(10, 5)},
          {"uint8", std::make_shared<Bytes>(), small_network(10, 5)},
          {"integers",
           std::make_shared<IntegerSource>(),
           {{3}, {embedding, layer("flatten"), layer("dense", 12), layer("relu"), layer("dense", 5)}, 3}}};
}

struct Trained {
  std::vector<float> tensors;
  double loss = 0, validation_loss = 0;
  cuda_host::Counts counts{};  // of the training
};

Trained train_with(const Case& with, std::int64_t steps, Delay delay) {
  CudaBackend cuda;
  Model model(with.network, cuda);
  TrainOptions options = small_options(with.source);
  options.steps = steps;
  options.optimizer.learning_rate = 0.01;
  options.validation = with.source;
  cuda_host::delay_work(delay);
  const cuda_host::Counts before = cuda_host::counts();
  const TrainResult result = train(model, options, {});
  Trained trained{tensors_of(model), result.final_loss, result.validation->loss, cuda_host::counts()};
  trained.counts.allocations -= before.allocations;
  trained.counts.frees -= before.frees;
  trained.counts.waits -= before.waits;
#if defined(ONELOGIT_CUDA_HOST)
  trained.counts.overlapping_copies -= before.overlapping_copies;
#endif
  cuda_host::delay_work(Delay::none);
  return trained;
}

TEST_CASE("cuda training: the same bits whenever copies and kernels happen") {
  for (const Case& with : cases()) {
    CAPTURE(with.name);
    const Trained expected = train_with(with, 40, Delay::none);
    for (const Delay delay : {Delay::all, Delay::kernels}) {
      CAPTURE(static_cast<int>(delay));
      const Trained trained = train_with(with, 40, delay);
      CHECK(same_bits(trained.tensors, expected.tensors));
      CHECK(trained.loss == expected.loss);
      CHECK(trained.validation_loss == expected.validation_loss);
    }
  }
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count
TEST_CASE("cuda training: steps after the first ones neither allocate nor wait, and batches are copied meanwhile") {
  for (const Case& with : cases()) {
    CAPTURE(with.name);
    for (const Delay delay : {Delay::none, Delay::kernels}) {
      CAPTURE(static_cast<int>(delay));
      const Trained few = train_with(with, 3, delay), many = train_with(with, 30, delay);
      CHECK(many.counts.allocations == few.counts.allocations);
      CHECK(many.counts.frees == few.counts.frees);
      CHECK(many.counts.waits == few.counts.waits);
      // Inputs and labels of each of 27 steps more.
      if (delay == Delay::kernels)
        CHECK(many.counts.overlapping_copies - few.counts.overlapping_copies == std::int64_t{2 * 27});
    }
  }
}
#endif

}  // namespace
}  // namespace onelogit
