// Steps that are captured and replayed do what steps do that are queued one operation after another.

#include "backend/cuda/step_graph.h"

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/launch.h"
#include "device_array.h"
#include "error.h"
#include "optimizer_specs.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

// While one exists, nothing can be captured.
struct NoCapture {
  NoCapture() { cuda_host::refuse_capture(true); }
  ~NoCapture() { cuda_host::refuse_capture(false); }
};

struct Trained {
  std::vector<float> tensors;
  TrainResult result;
  StepUse use;
};

Trained train_with(const TrainOptions& options, Precision precision, const ModelSpec& network) {
  CudaBackend cuda(precision);
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
  const Trained replayed = train_with(options, precision, network);
  const NoCapture none;
  const Trained plain = train_with(options, precision, network);
  CHECK(same_bits(replayed.tensors, plain.tensors));
  CHECK(replayed.result.final_loss == plain.result.final_loss);
  // NaN where not all logits were computed.
  CHECK(same_bits({static_cast<float>(replayed.result.final_accuracy)},
                  {static_cast<float>(plain.result.final_accuracy)}));
  if (options.validation) CHECK(replayed.result.validation->loss == plain.result.validation->loss);
  CHECK(plain.use.plain == static_cast<std::uint64_t>(options.steps));
  CHECK(plain.use.replayed == 0);
  CHECK(plain.use.refusal.find("cudaErrorStreamCaptureUnsupported") != std::string::npos);
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

TEST_CASE("cuda step graph: replayed training has the bits of plain training, with every optimizer") {
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

TEST_CASE("cuda step graph: replayed training has the bits of plain training, with every loss") {
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

TEST_CASE("cuda step graph: replayed training has the bits of plain training, with an embedding") {
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

TEST_CASE("cuda step graph: replayed training has the bits of plain training, without the logits") {
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

TEST_CASE("cuda step graph: validations between steps change nothing, also where they replace memory of products") {
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

__global__ void add_kernel(double* sum, float value) { *sum += static_cast<double>(value); }
__global__ void add_rate_kernel(double* sum, const cuda::StepValues* values) {
  *sum += static_cast<double>(values->learning_rate);
}

struct Runs {
  cudaStream_t stream = nullptr;
  std::unique_ptr<cuda::Queue> queue;
  cuda::StepLog log;
  Runs() {
    cuda::check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a test");
    queue = std::make_unique<cuda::Queue>(stream, 1 << 20);
  }
  ~Runs() {
    queue.reset();
    static_cast<void>(cudaStreamDestroy(stream));
  }
  // The sum that `body(sum, step, rate)` leaves after five steps with rates 1 … 5.
  template <class Body>
  double sum_of(const Body& body) {
    DeviceArray<double> sum(std::vector<double>{0.0});
    cuda::StepGraph graph(*queue, log);
    for (std::uint64_t step = 0; step < 5; ++step) {
      const auto rate = static_cast<float>(step + 1);
      graph.run(8, step, rate, [&] { body(sum.data(), step, rate); });
    }
    return sum.host()[0];
  }
};

TEST_CASE("cuda step graph: a rate that comes by value shows, and a step of another number is refused") {
  Runs runs;
  CHECK(runs.sum_of([&](double* sum, std::uint64_t, float) {
    cuda::launch("add", add_rate_kernel, 1, 1, 0, runs.stream, sum, runs.queue->step.values());
  }) == 15.0);
  CHECK(runs.log.use().replayed == 4);
  // The rate of the second step, which was captured, again and again.
  CHECK(runs.sum_of([&](double* sum, std::uint64_t, float rate) {
    cuda::launch("add", add_kernel, 1, 1, 0, runs.stream, sum, rate);
  }) == 1.0 + 4 * 2.0);
  CHECK(runs.log.use().replayed == 8);
  CHECK(runs.log.use().refusal.empty());
  CHECK(runs.sum_of([&](double* sum, std::uint64_t step, float rate) {
    runs.queue->step.set(step + 100, rate);
    cuda::launch("add", add_rate_kernel, 1, 1, 0, runs.stream, sum, runs.queue->step.values());
  }) == 15.0);
  CHECK(runs.log.use().replayed == 8);
  CHECK(runs.log.use().refusal.find("another") != std::string::npos);
}

TEST_CASE("cuda step graph: what allocates or waits is queued plainly, and says so; other sizes are captured anew") {
  Runs runs;
  const auto add = [&](double* sum) {
    cuda::launch("add", add_rate_kernel, 1, 1, 0, runs.stream, sum, runs.queue->step.values());
  };
  CHECK(runs.sum_of([&](double* sum, std::uint64_t, float) {
    add(sum);
    const cuda::DeviceBuffer<float> workspace(7, "a test");
  }) == 15.0);
  CHECK(runs.log.use().plain == 5);
  CHECK(runs.log.use().refusal.find("cudaErrorStreamCaptureUnsupported") != std::string::npos);
  CHECK(runs.sum_of([&](double* sum, std::uint64_t, float) {
    add(sum);
    cuda::check(cudaStreamSynchronize(runs.stream), "a test");
  }) == 15.0);
  CHECK(runs.log.use().plain == 10);
  CHECK(runs.log.use().replayed == 0);

  DeviceArray<double> sum(std::vector<double>{0.0});
  cuda::StepGraph graph(*runs.queue, runs.log);
  std::uint64_t step = 0;
  for (const std::int64_t examples : {8, 8, 8, 4, 4, 8, 8})
    graph.run(examples, step++, static_cast<float>(examples),
              [&] { cuda::launch("add", add_kernel, 1, 1, 0, runs.stream, sum.data(), static_cast<float>(examples)); });
  CHECK(sum.host()[0] == 8 * 5 + 4 * 2);
  CHECK(runs.log.use().plain == 13);
  CHECK(runs.log.use().replayed == 4);
}

TEST_CASE("cuda step graph: an error of a step is the step's, captured or not") {
  Runs runs;
  DeviceArray<double> sum(std::vector<double>{0.0});
  cuda::StepGraph graph(*runs.queue, runs.log);
  const auto fails = [] { throw Error(ErrorKind::operation, "ERR_ONELOGIT_TEST", "on purpose"); };
  graph.run(8, 0, 1.0f, [] {});
  CHECK_THROWS_AS(graph.run(8, 1, 1.0f, fails), Error);
  // And the stream is good for more.
  graph.run(8, 2, 3.0f,
            [&] { cuda::launch("add", add_rate_kernel, 1, 1, 0, runs.stream, sum.data(), runs.queue->step.values()); });
  CHECK(sum.host()[0] == 3.0);
  CHECK(runs.log.use().refusal == "on purpose");
}

}  // namespace
}  // namespace onelogit
