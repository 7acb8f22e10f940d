// Networks of images are trained and asked on the backend as a whole, as on the CPU: branches, groups, every pool.

#include <doctest/doctest.h>

#include "backend/cuda/cuda_backend.h"
#include "device_array.h"
#include "distance.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;
using cuda_host::Delay;

constexpr std::int64_t side = 9, channels = 4, classes = 5;

LayerSpec windows(const char* type, std::int64_t kernel, std::int64_t stride, Padding padding = {true, 0, 0, 0, 0}) {
  LayerSpec spec = layer(type);
  spec.kernel[0] = spec.kernel[1] = kernel;
  spec.stride[0] = spec.stride[1] = stride;
  spec.padding = padding;
  return spec;
}

LayerSpec convolution(std::int64_t filters, std::int64_t kernel, std::int64_t stride = 1, std::int64_t groups = 1) {
  LayerSpec spec = windows("conv2d", kernel, stride);
  spec.filters = filters;
  spec.groups = groups;
  return spec;
}

LayerSpec of(LayerSpec spec, std::vector<std::int64_t> inputs) {
  spec.inputs = std::move(inputs);
  return spec;
}

// Every layer of images once: a residual block, then branches that are joined.
ModelSpec network() {
  LayerSpec norm = layer("localResponseNorm"), mean = windows("avgPool", 3, 2), zeros = layer("zeroPadding"),
            dropout = layer("dropout"), no_bias = convolution(8, 3, 1, 2);
  norm.local_response_norm = {3, 0.1f, 0.75f, 1.0f};
  mean.count_padding = false;
  zeros.padding = {false, 1, 0, 2, 1};
  dropout.rate = 0.1f;
  no_bias.bias = false;
  return {{side, side, channels},
          {convolution(8, 3),                 // 0: 9 × 9 × 8
           layer("batchNorm"),                //
           layer("relu"),                     //
           windows("maxPool", 3, 2),          // 3: 5 × 5 × 8
           no_bias,                           // in groups
           layer("batchNorm"),                //
           of(layer("add"), {3, 5}),          // 6
           layer("relu"),                     // 7
           norm,                              // 8
           convolution(6, 1, 2),              // 9: 3 × 3 × 6
           of(mean, {8}),                     // 10: 3 × 3 × 8
           of(convolution(3, 5, 2), {8}),     // 11: 3 × 3 × 3
           of(layer("concat"), {9, 10, 11}),  // 12: 3 × 3 × 17
           zeros,                             // 13: 4 × 6 × 17
           convolution(12, 1),                // a plain product
           layer("relu"),                     //
           layer("globalAvgPool"), dropout, layer("dense", classes)},
          3};
}

std::shared_ptr<MemorySource> images(std::int64_t n, std::uint32_t seed) {
  return std::make_shared<MemorySource>(n, side * side * channels, classes, seed);
}

TrainOptions options_of(std::int64_t steps) {
  TrainOptions options = small_options(images(60, 2));
  options.batch_size = 8;
  options.steps = steps;
  options.optimizer.learning_rate = 0.01;
  options.validation = images(20, 77);
  return options;
}

struct Trained {
  std::vector<float> tensors, logits;
  double loss = 0, validation_loss = 0;
};

Trained train_on(Backend& backend, const TrainOptions& options) {
  Model model(network(), backend);
  const TrainResult result = train(model, options, {});
  Trained trained{tensors_of(model), std::vector<float>(20 * classes), result.final_loss, result.validation->loss};
  const ExampleSource::InMemory memory = options.validation->in_memory();
  REQUIRE(model.predict(memory.inputs, memory.type, 20, Output::logits, trained.logits.data(), nullptr));
  return trained;
}

// Numbers of the largest window of the network.
constexpr std::size_t window = 5 * 5 * 8;
constexpr std::size_t small_workspace = window * 11 * sizeof(float);

TEST_CASE("cuda images: training goes the CPU's way, in a workspace of any size") {
  const TrainOptions options = options_of(10);
  const Trained expected = train_on(cpu_backend(), options);
  for (const std::size_t workspace : {cuda::Convolutions::default_workspace, small_workspace}) {
    CudaBackend cuda(Precision::float32, workspace);
    const Trained trained = train_on(cuda, options);
    CHECK(distance(trained.tensors, expected.tensors) < 1e-4);
    CHECK(distance(trained.logits, expected.logits) < 1e-3);
    CHECK(trained.loss == doctest::Approx(expected.loss).epsilon(1e-3));
    CHECK(trained.validation_loss == doctest::Approx(expected.validation_loss).epsilon(1e-3));
    CAPTURE(cuda.step_use().refusal);
    CHECK(cuda.step_use().replayed == 9);
  }
}

TEST_CASE("cuda images: the same bits in every order of threads") {
  std::vector<float> first;
  for (const auto& order : orders()) {
    cuda_host::set_order(order.order);
    CudaBackend cuda(Precision::float32, small_workspace);
    const Trained trained = train_on(cuda, options_of(3));
    if (first.empty()) first = trained.tensors;
    CAPTURE(order.name);
    CHECK(same_bits(trained.tensors, first));
  }
  cuda_host::set_order({});
}

TEST_CASE("cuda images: products in tf32 and bfloat16 train nearly the same network") {
  const TrainOptions options = options_of(8);
  const auto logits = [&](Precision precision) {
    CudaBackend cuda(precision);
    return train_on(cuda, options).logits;
  };
  const std::vector<float> exact = logits(Precision::float32);
  CHECK(distance(logits(Precision::tf32), exact) < 1e-2);
  CHECK(distance(logits(Precision::bfloat16), exact) < 1e-1);
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count, and refuse a capture
TEST_CASE("cuda images: steps are replayed with the bits of plain ones, in any precision") {
  TrainOptions options = options_of(7);
  options.validate_every = 3;  // inference between steps uses the same workspace
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    const auto run = [&](StepUse& use) {
      CudaBackend cuda(precision, small_workspace);
      const Trained trained = train_on(cuda, options);
      use = cuda.step_use();
      return trained;
    };
    StepUse captured, refused;
    const Trained replayed = run(captured);
    cuda_host::refuse_capture(true);
    const Trained plain = run(refused);
    cuda_host::refuse_capture(false);
    CHECK(same_bits(replayed.tensors, plain.tensors));
    CHECK(replayed.validation_loss == plain.validation_loss);
    CHECK(captured.refusal.empty());
    CHECK(captured.replayed >= 5);
    CHECK(refused.replayed == 0);
  }
}

TEST_CASE("cuda images: steps after the first ones neither allocate nor wait, whenever work is done") {
  for (const Delay delay : {Delay::none, Delay::all, Delay::kernels}) {
    CAPTURE(static_cast<int>(delay));
    const auto counts_of = [&](std::int64_t steps, std::vector<float>& tensors) {
      CudaBackend cuda(Precision::float32, small_workspace);
      cuda_host::delay_work(delay);
      cuda_host::reset_counts();
      tensors = train_on(cuda, options_of(steps)).tensors;
      cuda_host::delay_work(Delay::none);
      return cuda_host::counts();
    };
    std::vector<float> of_few, of_many, at_once;
    const cuda_host::Counts few = counts_of(3, of_few), many = counts_of(12, of_many);
    CHECK(many.allocations == few.allocations);
    CHECK(many.frees == few.frees);
    CHECK(many.waits == few.waits);
    CudaBackend cuda(Precision::float32, small_workspace);
    CHECK(same_bits(train_on(cuda, options_of(12)).tensors, of_many));
  }
}
#endif

}  // namespace
}  // namespace onelogit
