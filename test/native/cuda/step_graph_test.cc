// Steps that are captured and replayed: what shows where they are not what they should be. With kernels of its own and
// captures that are refused; what replaying comes to in training is replayed_training_test.cc.

#include "backend/cuda/step_graph.h"

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/launch.h"
#include "device_array.h"
#include "error.h"
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

TEST_CASE("cuda step graph: training whose steps cannot be captured goes on, and says so") {
  CudaBackend cuda;
  TrainOptions options = small_options(std::make_shared<MemorySource>(150, 10, 5, 2));
  options.steps = 10;
  const NoCapture none;
  Model model(small_network(10, 5), cuda);
  train(model, options, {});
  CHECK(cuda.step_use().plain == 10);
  CHECK(cuda.step_use().replayed == 0);
  CHECK(cuda.step_use().refusal.find("cudaErrorStreamCaptureUnsupported") != std::string::npos);
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

TEST_CASE("cuda step graph: a capture that is broken from outside is tried again, three times") {
  Runs runs;
  const auto replayed_of = [&](int broken) {
    const std::uint64_t before = runs.log.use().replayed;
    int calls = 0;
    CHECK(runs.sum_of([&](double* sum, std::uint64_t, float) {
      // The first call is a plain step; from then on a capture and, where that failed, a plain step take turns.
      ++calls;
      if (calls % 2 == 0 && calls / 2 <= broken) cuda::check(cudaStreamSynchronize(runs.stream), "somebody else");
      cuda::launch("add", add_rate_kernel, 1, 1, 0, runs.stream, sum, runs.queue->step.values());
    }) == 15.0);
    return runs.log.use().replayed - before;
  };
  CHECK(replayed_of(0) == 4);
  CHECK(replayed_of(1) == 3);
  CHECK(replayed_of(2) == 2);
  CHECK(replayed_of(3) == 0);
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
