// The backend as a whole: a network is trained and asked on it as on the CPU.

#include "backend/cuda/cuda_backend.h"

#include <doctest/doctest.h>

#include <cmath>

#include "device_array.h"
#include "distance.h"
#include "error.h"
#include "random_values.h"
#include "tensor/bfloat16.h"
#include "train/last_layer.h"
#include "train/trainer.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;

struct Trained {
  std::vector<float> weights, logits;
  double loss = 0, accuracy = 0;
};

Trained train_on(Backend& backend, const std::shared_ptr<MemorySource>& source, LossKind kind, std::int64_t steps,
                 OptimizerKind optimizer) {
  Model model(small_network(10, 5), backend);
  TrainOptions options = small_options(source, kind);
  options.steps = steps;
  options.optimizer.kind = optimizer;
  options.optimizer.learning_rate = 0.01;
  options.optimizer.clip_norm = 5;
  // adam would make steps of full size out of the rounding errors that are the gradient of a bias before batch
  // normalisation.
  options.optimizer.epsilon = 0.01;
  options.validation = std::make_shared<MemorySource>(20, 10, 5, 77);
  const TrainResult result = train(model, options, {});
  Trained trained{tensors_of(model), {}, result.final_loss, result.validation->accuracy};
  const ExampleSource::InMemory memory = source->in_memory();
  trained.logits.resize(30 * 5);
  REQUIRE(model.predict(memory.inputs, memory.type, 30, Output::logits, trained.logits.data(), nullptr));
  return trained;
}

TEST_CASE("cuda backend: training goes the CPU's way, step by step, for every loss") {
  CudaBackend cuda;
  const auto source = std::make_shared<MemorySource>(300, 10, 5, 2);
  for (const LossKind kind : all_losses) {
    CAPTURE(loss_name(kind));
    const Trained expected = train_on(cpu_backend(), source, kind, 12, OptimizerKind::sgd);
    const Trained trained = train_on(cuda, source, kind, 12, OptimizerKind::sgd);
    // Twelve steps amplify rounding a little.
    CHECK(distance(trained.weights, expected.weights) < 1e-4);
    CHECK(distance(trained.logits, expected.logits) < 1e-3);
    CHECK(trained.loss == doctest::Approx(expected.loss).epsilon(1e-3));
  }
  for (const OptimizerKind optimizer : {OptimizerKind::adam, OptimizerKind::adamw})
    CHECK(distance(train_on(cuda, source, LossKind::batch_cross_entropy, 6, optimizer).weights,
                   train_on(cpu_backend(), source, LossKind::batch_cross_entropy, 6, optimizer).weights) < 1e-4);
}

TEST_CASE("cuda backend: products in tf32 and bfloat16 train nearly the same network") {
  const auto source = std::make_shared<MemorySource>(300, 10, 5, 2);
  const auto trained = [&](Precision precision) {
    CudaBackend cuda(precision);
    return train_on(cuda, source, LossKind::cross_entropy, 30, OptimizerKind::sgd);
  };
  const Trained exact = trained(Precision::float32), tf32 = trained(Precision::tf32),
                bfloat16 = trained(Precision::bfloat16);
  // A rounding to 11 and to 8 bits of precision.
  const double error_tf32 = distance(tf32.logits, exact.logits),
               error_bfloat16 = distance(bfloat16.logits, exact.logits);
#if defined(ONELOGIT_CUDA_HOST)  // cuBLAS may take float32 for products as small as these
  CHECK(error_tf32 > 1e-5);
#endif
  CHECK(error_tf32 < 5e-3);  // cuBLAS may round towards 0
  CHECK(error_bfloat16 > error_tf32);
  CHECK(error_bfloat16 < 2e-2);
}

TEST_CASE("cuda backend: a bfloat16 weight in every precision") {
  const std::int64_t m = 5, inputs = 33, outputs = 7;
  const std::vector<float> x = random_values(m * inputs, 1), bias = random_values(outputs, 2);
  std::vector<std::uint16_t> weight;
  for (const float value : random_values(outputs * inputs, 3)) weight.push_back(float32_to_bfloat16(value));
  std::vector<float> expected(static_cast<std::size_t>(m * outputs));
  cpu_backend().dense_forward_bfloat16(x.data(), weight.data(), bias.data(), expected.data(), m, inputs, outputs);
  const DeviceArray<float> device_x(x), device_bias(bias), y(expected.size());
  const DeviceArray<std::uint16_t> device_weight(weight);
  for (const auto& [precision, most] : {std::pair{Precision::float32, 1e-5}, std::pair{Precision::bfloat16, 1e-2}}) {
    CudaBackend cuda(precision);
    cuda.dense_forward_bfloat16(device_x.data(), device_weight.data(), device_bias.data(), y.data(), m, inputs,
                                outputs);
    CHECK(distance(y.host(), expected) < most);
  }
}

TEST_CASE("cuda backend: training without the logits goes the CPU's way") {
  CudaBackend cuda;
  const auto source = std::make_shared<MemorySource>(300, 10, 7, 2);
  for (const LossKind kind : all_losses)
    for (const HeadMemory memory : {HeadMemory::store, HeadMemory::recompute})
      for (const WeightType storage : {WeightType::float32, WeightType::bfloat16}) {
        CAPTURE(loss_name(kind));
        CAPTURE(head_memory_name(memory));
        CAPTURE(static_cast<int>(storage));
        ModelSpec spec = small_network(10, 7);
        spec.layers.back().storage = storage;
        const auto train_on_backend = [&](Backend& backend) {
          Model model(spec, backend);
          TrainOptions options = small_options(source, kind);
          options.steps = 8;
          options.memory = memory;
          options.workspace_bytes = 600;  // blocks of three classes
          options.optimizer.clip_norm = memory == HeadMemory::store ? 0.5 : 0.0;
          options.validation = std::make_shared<MemorySource>(20, 10, 7, 77);
          const TrainResult result = train(model, options, {});
          return Trained{tensors_of(model), {}, result.final_loss, result.validation->accuracy};
        };
        const Trained expected = train_on_backend(cpu_backend()), trained = train_on_backend(cuda);
        // Stochastic roundings may go another way.
        const double close = storage == WeightType::float32 ? 1e-4 : 1e-2;
        CHECK(distance(trained.weights, expected.weights) < close);
        CHECK(trained.loss == doctest::Approx(expected.loss).epsilon(10 * close));
        if (storage == WeightType::float32) CHECK(trained.accuracy == expected.accuracy);
      }
}

TEST_CASE("cuda backend: training gives the same bits in every order of threads, and learns") {
  const auto source = std::make_shared<MemorySource>(300, 10, 5, 2);
  std::vector<float> first;
  for (const auto& order : orders()) {
    cuda_host::set_order(order.order);
    CudaBackend cuda;
    const Trained trained = train_on(cuda, source, LossKind::batch_cross_entropy, 60, OptimizerKind::adam);
    if (first.empty()) first = trained.weights;
    CAPTURE(order.name);
    CHECK(same_bits(trained.weights, first));
    CHECK(trained.accuracy > 0.8);
  }
  cuda_host::set_order({});
}

TEST_CASE("cuda backend: what is uploaded may change at once") {
  cuda_host::delay_work(cuda_host::Delay::all);
  {
    CudaBackend cuda;
    std::vector<float> values(1000, 1.0f), back(1000);
    void* const memory = cuda.allocate(4000);
    cuda.upload(memory, values.data(), 4000);
    std::fill(values.begin(), values.end(), 2.0f);
    cuda.download(back.data(), memory, 4000);
    cuda.release(memory, 4000);
    CHECK(back == std::vector<float>(1000, 1.0f));
  }
  cuda_host::delay_work(cuda_host::Delay::none);
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count, and refuse
TEST_CASE("cuda backend: a constructor that fails halfway leaves no stream and no handle") {
  const std::int64_t streams = cuda_host::open_streams(), handles = cuda_host::open_handles();
  cuda_host::limit_memory(1);
  CHECK_THROWS_AS(CudaBackend(), Error);
  cuda_host::limit_memory(0);
  cuda_host::refuse_workspace(true);
  CHECK_THROWS_AS(CudaBackend(), Error);
  CHECK_THROWS_AS(cuda::Products(nullptr), Error);
  cuda_host::refuse_workspace(false);
  CHECK(cuda_host::open_streams() == streams);
  CHECK(cuda_host::open_handles() == handles);
}
#endif

TEST_CASE("cuda backend: memory that is not there is an error") {
  CudaBackend cuda;
  const auto code = [](const auto& body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  CHECK(code([&] { cuda.allocate(std::size_t{1} << 50); }) == "ERR_ONELOGIT_OUT_OF_MEMORY");
  // And works on.
  const std::vector<float> values{1, 2, 3};
  std::vector<float> back(3);
  void* const memory = cuda.allocate(12);
  cuda.upload(memory, values.data(), 12);
  cuda.download(back.data(), memory, 12);
  cuda.release(memory, 12);
  CHECK(back == values);
}

}  // namespace
}  // namespace onelogit
