// Training whose steps are captured and replayed has the bits of training whose steps are queued one operation after
// another. On a GPU too: there it shows that every kind of step can be captured.

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "device_array.h"
#include "optimizer_specs.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

struct PlainBackend final : CudaBackend {
  using CudaBackend::CudaBackend;
  std::unique_ptr<StepRunner> make_step_runner() override {
    struct Plain final : StepRunner {
      void run(std::int64_t, std::uint64_t, float, const std::function<void()>& body) override { body(); }
    };
    return std::make_unique<Plain>();
  }
};

struct Trained {
  std::vector<float> tensors;
  TrainResult result;
  StepUse use;
};

template <class Cuda>
Trained train_with(const TrainOptions& options, Precision precision, const ModelSpec& network) {
  Cuda cuda(precision);
  Model model(network, cuda);
  Trained trained;
  trained.result = train(model, options, {});
  trained.tensors = tensors_of(model);
  trained.use = cuda.step_use();
  return trained;
}

// → how steps were run with capture
StepUse check_same(const TrainOptions& options, Precision precision = Precision::float32,
                   const ModelSpec& network = small_network(10, 5)) {
  const Trained replayed = train_with<CudaBackend>(options, precision, network),
                plain = train_with<PlainBackend>(options, precision, network);
  CHECK(same_bits(replayed.tensors, plain.tensors));
  CHECK(replayed.result.final_loss == plain.result.final_loss);
  // NaN where not all logits were computed.
  CHECK(same_bits({static_cast<float>(replayed.result.final_accuracy)},
                  {static_cast<float>(plain.result.final_accuracy)}));
  if (options.validation) CHECK(replayed.result.validation->loss == plain.result.validation->loss);
  CAPTURE(replayed.use.refusal);
  CHECK(replayed.use.refusal.empty());
  CHECK(replayed.use.plain + replayed.use.replayed == static_cast<std::uint64_t>(options.steps));
  return replayed.use;
}

TrainOptions options_of(std::int64_t steps) {
  TrainOptions options = small_options(std::make_shared<MemorySource>(150, 10, 5, 2));
  options.optimizer.learning_rate = 0.01;
  options.steps = steps;
  // Another rate in every step.
  options.schedule.kind = ScheduleSpec::Kind::cosine;
  options.schedule.warmup_steps = 4;
  return options;
}

TEST_CASE("cuda replayed training: the bits of plain training, with every optimizer") {
  for (const OptimizerSpec& optimizer : optimizer_specs()) {
    TrainOptions options = options_of(40);
    const double rate = options.optimizer.learning_rate;
    options.optimizer = optimizer;
    options.optimizer.learning_rate = rate;
    options.optimizer.clip_norm = optimizer.weight_decay > 0 ? 0.5 : 0.0;
    CAPTURE(static_cast<int>(optimizer.kind));
    const StepUse use = check_same(options);
    CHECK(use.plain == 1);
  }
}

TEST_CASE("cuda replayed training: the bits of plain training, with every loss") {
  for (const LossKind kind : all_losses)
    for (const bool sampled : {false, true}) {
      if (sampled && kind != LossKind::nce) continue;
      TrainOptions options = options_of(10);
      options.loss.kind = kind;
      if (sampled) options.loss.num_sampled = 3;
      CAPTURE(loss_name(kind));
      CAPTURE(sampled);
      CHECK(check_same(options).plain == 1);
    }
}

TEST_CASE("cuda replayed training: the bits of plain training, with an embedding") {
  LayerSpec embedding = layer("embedding", 8);
  embedding.vocabulary = 30;
  const ModelSpec network{{3}, {embedding, layer("flatten"), layer("dense", 12), layer("relu"), layer("dense", 5)}, 3};
  for (const OptimizerSpec& optimizer : optimizer_specs())
    for (const double clip_norm : {0.0, 0.5}) {
      TrainOptions options = options_of(20);
      options.training = std::make_shared<IntegerSource>();
      options.batch_size = 4;  // most rows rest
      options.optimizer = optimizer;
      options.optimizer.learning_rate = 0.01;
      options.optimizer.clip_norm = clip_norm;
      CAPTURE(static_cast<int>(optimizer.kind));
      CHECK(check_same(options, Precision::float32, network).plain == 1);
    }
}

TEST_CASE("cuda replayed training: the bits of plain training, without the logits") {
  for (const LossKind kind : all_losses)
    for (const HeadMemory memory : {HeadMemory::store, HeadMemory::recompute})
      for (const bool bfloat16 : {false, true})
        for (const std::int64_t sampled : {0, 3}) {
          if (sampled > 0 && kind != LossKind::nce) continue;
          ModelSpec network = small_network(10, 5);
          if (bfloat16) network.layers.back().storage = WeightType::bfloat16;
          TrainOptions options = options_of(8);
          options.loss.kind = kind;
          options.loss.num_sampled = sampled;
          options.memory = memory;
          options.workspace_bytes = 1;  // many blocks of classes
          options.optimizer.clip_norm = memory == HeadMemory::store && bfloat16 ? 0.5 : 0.0;
          CAPTURE(loss_name(kind));
          CAPTURE(bfloat16);
          CHECK(check_same(options, bfloat16 ? Precision::bfloat16 : Precision::float32, network).plain == 1);
        }
}

TEST_CASE(
    "cuda replayed training: validations between steps change nothing, also where they replace memory of products") {
  TrainOptions options = options_of(12);
  options.validation = std::make_shared<MemorySource>(100, 10, 5, 77);
  options.validate_every = 5;
  // A sampled loss draws for the validation too.
  options.loss.kind = LossKind::nce;
  options.loss.num_sampled = 3;
  CHECK(check_same(options).plain == 1);
  // A validation's batch is larger: the step after the first one is plain again.
  CHECK(check_same(options, Precision::bfloat16).plain == 2);
}

}  // namespace
}  // namespace onelogit
