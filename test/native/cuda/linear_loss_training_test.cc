// Training steps of the fused last layer against the CPU's.

#include <doctest/doctest.h>

#include <cmath>
#include <optional>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/linear_loss/linear_loss_training.h"
#include "device_array.h"
#include "distance.h"
#include "optimizer_specs.h"
#include "random_values.h"
#include "same_bits.h"
#include "simd_levels.h"
#include "small_run.h"
#include "tensor/bfloat16.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

using test::random_values;

struct Case {
  LossSpec loss;
  OptimizerSpec optimizer;
  ClassGradientMemory memory = ClassGradientMemory::store;
  bool clips = false, bias = true, bfloat16 = false, hidden_gradient = true;
  std::int64_t m = 6, d = 9, k = 150;
  std::size_t workspace = 2000;  // five blocks of classes
  int steps = 4;
  std::optional<int> undefined_step = std::nullopt;
  std::uint32_t seed = 1;
  float spread = 1.0f;  // of the weights
};

struct Result {
  // The class matrix as float32, its bias, the states of both; what each step gave.
  std::vector<std::vector<float>> arrays;
  std::vector<std::vector<float>> hidden_gradients;
  std::vector<double> values, squares;
  std::vector<std::int64_t> correct;
};

std::vector<std::int32_t> labels_of(const Case& each, int step) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < each.m; ++i)
    labels.push_back(static_cast<std::int32_t>((i % 4 * 37 + step * 3) % (i % 4 == 1 ? 2 : each.k)));
  return labels;
}

std::vector<float> hidden_of(const Case& each, int step) {
  std::vector<float> hidden = random_values(each.m * each.d, each.seed + 10 + static_cast<std::uint32_t>(step));
  if (each.undefined_step == step) hidden[hidden.size() / 2] = step % 2 == 0 ? test::nan : -test::infinity;
  return hidden;
}

template <class T>
Buffer uploaded(Backend& backend, const std::vector<T>& values) {
  Buffer buffer(backend, values.size() * sizeof(T));
  backend.upload(buffer.data(), values.data(), values.size() * sizeof(T));
  return buffer;
}
template <class T>
std::vector<T> downloaded(Backend& backend, const Buffer& buffer, std::size_t size) {
  std::vector<T> values(size);
  backend.download(values.data(), buffer.data(), size * sizeof(T));
  return values;
}

Result train(Backend& backend, const Case& each) {
  const auto rows = static_cast<std::size_t>(each.k), size = static_cast<std::size_t>(each.k * each.d);
  const std::vector<float> start = random_values(each.k * each.d, each.seed, -each.spread, each.spread);
  std::vector<std::uint16_t> bits;
  for (const float value : start) bits.push_back(float32_to_bfloat16(value));
  const Buffer weight = each.bfloat16 ? uploaded(backend, bits) : uploaded(backend, start);
  const Buffer bias = uploaded(backend, random_values(each.k, each.seed + 1));
  std::vector<Buffer> states;
  for (const std::size_t n : {size, size, rows, rows}) states.emplace_back(backend, n * sizeof(float));

  LinearLossTrainingPlan plan;
  plan.loss = each.loss;
  plan.optimizer = each.optimizer;
  plan.classes.value = weight.data();
  plan.classes.type = each.bfloat16 ? WeightType::bfloat16 : WeightType::float32;
  plan.classes.bias = each.bias ? bias.as<float>() : nullptr;
  for (int s = 0; s < optimizer_state_count(each.optimizer); ++s) {
    plan.classes.state[s] = states[static_cast<std::size_t>(s)].as<float>();
    plan.classes.bias_state[s] = each.bias ? states[static_cast<std::size_t>(s) + 2].as<float>() : nullptr;
  }
  plan.classes.rows = each.k;
  plan.classes.columns = each.d;
  plan.max_examples = each.m + 2;
  plan.workspace_bytes = each.workspace;
  plan.memory = each.memory;
  plan.clips = each.clips;
  plan.seed = 11;
  const auto training = backend.make_linear_loss_training(plan);

  Result result;
  const Buffer value(backend, sizeof(double)), squares(backend, sizeof(double)), correct(backend, sizeof(std::int64_t));
  const Buffer scale = uploaded(backend, std::vector<float>{0.5f});
  for (int step = 0; step < each.steps; ++step) {
    const Buffer hidden = uploaded(backend, hidden_of(each, step)), labels = uploaded(backend, labels_of(each, step));
    const Buffer gradient(backend, static_cast<std::size_t>(each.m * each.d) * sizeof(float));
    training->run({hidden.as<float>(), labels.as<std::int32_t>(), each.m, static_cast<std::uint64_t>(step),
                   static_cast<float>(each.optimizer.learning_rate) / static_cast<float>(1 + step),
                   each.hidden_gradient ? gradient.as<float>() : nullptr},
                  value.as<double>(), correct.as<std::int64_t>());
    const bool defined = each.undefined_step != step;
    if (each.clips && defined) {
      training->gradient_squares(squares.as<double>());
      result.squares.push_back(downloaded<double>(backend, squares, 1)[0]);
    }
    training->update(each.clips ? scale.as<float>() : nullptr);
    result.values.push_back(downloaded<double>(backend, value, 1)[0]);
    result.correct.push_back(downloaded<std::int64_t>(backend, correct, 1)[0]);
    if (defined && each.hidden_gradient)
      result.hidden_gradients.push_back(
          downloaded<float>(backend, gradient, static_cast<std::size_t>(each.m * each.d)));
  }
  training->catch_up();
  const Buffer hidden = uploaded(backend, random_values(each.m * each.d, each.seed + 9)),
               labels = uploaded(backend, labels_of(each, 2));
  training->evaluate(hidden.as<float>(), labels.as<std::int32_t>(), each.m, 3, value.as<double>(),
                     correct.as<std::int64_t>());
  result.values.push_back(downloaded<double>(backend, value, 1)[0]);
  result.correct.push_back(downloaded<std::int64_t>(backend, correct, 1)[0]);

  std::vector<float> matrix(size);
  if (each.bfloat16)
    bfloat16_to_float32(downloaded<std::uint16_t>(backend, weight, size).data(), each.k * each.d, matrix.data());
  else
    matrix = downloaded<float>(backend, weight, size);
  result.arrays = {matrix, downloaded<float>(backend, bias, rows)};
  for (std::size_t s = 0; s < 4; ++s)
    result.arrays.push_back(downloaded<float>(backend, states[s], s < 2 ? size : rows));
  return result;
}

void check_parity(const Case& each) {
  CAPTURE(loss_name(each.loss.kind));
  CAPTURE(each.loss.num_sampled);
  CAPTURE(static_cast<int>(each.optimizer.kind));
  CAPTURE(each.optimizer.momentum);
  CAPTURE(each.optimizer.weight_decay);
  CAPTURE(static_cast<int>(each.memory));
  CAPTURE(each.clips);
  CAPTURE(each.bfloat16);
  CAPTURE(each.seed);
  CAPTURE(each.m);
  CAPTURE(each.k);
  static CudaBackend cuda;
  const Result expected = train(cpu_backend(), each), received = train(cuda, each);
  const std::vector<float> start = random_values(each.k * each.d, each.seed, -each.spread, each.spread);
  // Roundings of bfloat16 that go another way are a unit in the last place each, 2⁻⁸. Random bits are those of a CPU
  // with 512-bit vectors: there, few do.
#if defined(__x86_64__)
  const bool same_random_bits = test::has_avx512();
#else
  const bool same_random_bits = false;
#endif
  const double close = !each.bfloat16 ? 1e-4 : same_random_bits ? 2e-3 : 0.01;
  for (std::size_t array = 0; array < expected.arrays.size(); ++array) {
    CAPTURE(array);
    CHECK(test::distance(received.arrays[array], expected.arrays[array]) < (array == 0 ? close : 10 * close));
  }
  CHECK(test::distance(start, expected.arrays[0]) > 2 * close);  // otherwise this would show nothing
  for (std::size_t step = 0; step < expected.values.size(); ++step) {
    CAPTURE(step);
    if (std::isnan(expected.values[step]))
      CHECK(std::isnan(received.values[step]));
    else
      CHECK(received.values[step] == doctest::Approx(expected.values[step]).epsilon(each.bfloat16 ? 0.02 : 1e-4));
    CHECK(received.correct[step] == expected.correct[step]);
  }
  REQUIRE(received.hidden_gradients.size() == expected.hidden_gradients.size());
  for (std::size_t step = 0; step < expected.hidden_gradients.size(); ++step)
    CHECK(test::distance(received.hidden_gradients[step], expected.hidden_gradients[step]) < 10 * close);
  REQUIRE(received.squares.size() == expected.squares.size());
  for (std::size_t step = 0; step < expected.squares.size(); ++step)
    CHECK(received.squares[step] == doctest::Approx(expected.squares[step]).epsilon(each.bfloat16 ? 0.05 : 1e-3));
}

std::vector<LossSpec> losses() {
  std::vector<LossSpec> all(7);
  for (int kind = 0; kind < 7; ++kind) all[static_cast<std::size_t>(kind)].kind = static_cast<LossKind>(kind);
  for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example}) {
    LossSpec sampled;
    sampled.kind = LossKind::nce;
    sampled.num_sampled = 9;
    sampled.noise = NoiseKind::log_uniform;
    sampled.samples = samples;
    all.push_back(sampled);
  }
  return all;
}

// Weights have to move by more than bfloat16's roundings. Where the gradient is a rounding error, adam must not make a
// full step of it.
OptimizerSpec fast(OptimizerSpec optimizer) {
  optimizer.learning_rate = optimizer.kind == OptimizerKind::sgd ? 1.5 : 0.3;
  optimizer.epsilon = 1e-3;
  return optimizer;
}

TEST_CASE("cuda linear loss training: every loss and optimizer as on the CPU") {
  std::uint32_t seed = 1;
  for (const LossSpec& loss : losses())
    for (const OptimizerSpec& optimizer : test::optimizer_specs())
      for (const ClassGradientMemory memory : {ClassGradientMemory::store, ClassGradientMemory::recompute})
        for (const bool clips : {false, true})
          for (const bool bfloat16 : {false, true}) {
            ++seed;
            // `memory` says something to batch-cross-entropy alone.
            const bool batch = loss.kind == LossKind::batch_cross_entropy;
            if (memory == ClassGradientMemory::recompute && !batch && seed % 16 != 0) continue;
            if (test::small_run() && seed % 5 != 0) continue;
            check_parity({.loss = loss,
                          .optimizer = fast(optimizer),
                          .memory = memory,
                          .clips = clips,
                          .bias = seed % 3 != 0,
                          .bfloat16 = bfloat16,
                          .seed = seed});
          }
}

TEST_CASE("cuda linear loss training: shapes and sizes of blocks") {
  std::uint32_t seed = 500;
  for (const LossSpec& loss : losses())
    for (const ClassGradientMemory memory : {ClassGradientMemory::store, ClassGradientMemory::recompute}) {
      if (memory == ClassGradientMemory::recompute && loss.kind != LossKind::batch_cross_entropy) continue;
      Case each{.loss = loss, .optimizer = fast(test::optimizer_specs()[3]), .memory = memory, .steps = 2};
      each.m = 1, each.d = 1, each.k = 2, each.workspace = 1, each.seed = ++seed;
      check_parity(each);
      each.m = 1, each.d = 7, each.k = 65, each.workspace = 1, each.seed = ++seed;
      check_parity(each);
      each.m = 33, each.d = 20, each.k = 700, each.workspace = 30000, each.seed = ++seed;
      check_parity(each);
      each.hidden_gradient = false, each.workspace = default_linear_loss_workspace, each.seed = ++seed;
      check_parity(each);
      // Logits that are far apart: blocks whose gradient is nothing beside another's.
      each = {.loss = loss, .optimizer = fast(OptimizerSpec()), .memory = memory, .seed = ++seed, .spread = 40.0f};
      each.optimizer.learning_rate = 50;
      check_parity(each);
    }
}

TEST_CASE("cuda linear loss training: hidden activations that are not finite leave the class matrix alone") {
  std::uint32_t seed = 900;
  for (const LossSpec& loss : losses())
    for (const bool clips : {false, true})
      for (const std::size_t optimizer : {std::size_t{0}, std::size_t{3}, std::size_t{6}})
        for (const int step : {1, 2})
          check_parity({.loss = loss,
                        .optimizer = fast(test::optimizer_specs()[optimizer]),
                        .clips = clips,
                        .undefined_step = step,
                        .seed = ++seed});
}

TEST_CASE("cuda linear loss training: products in bfloat16, of a class matrix as it is stored") {
  CudaBackend exact, rounded(Precision::bfloat16);
  std::uint32_t seed = 700;
  for (const LossSpec& loss : losses())
    for (const bool bfloat16 : {false, true}) {
      CAPTURE(loss_name(loss.kind));
      CAPTURE(bfloat16);
      const Case each{.loss = loss,
                      .optimizer = fast(test::optimizer_specs()[0]),
                      .bfloat16 = bfloat16,
                      .steps = 2,
                      .seed = ++seed};
      const Result expected = train(exact, each), received = train(rounded, each);
      CHECK(test::distance(received.arrays[0], expected.arrays[0]) < 0.01);
      CHECK(received.values[0] == doctest::Approx(expected.values[0]).epsilon(0.01));
      // Draws of each example are dot products, and those are exact.
      const bool has_products = loss.num_sampled == 0 || loss.samples == NoiseSamples::shared;
      CHECK((received.values[0] != expected.values[0]) == has_products);
      CHECK(test::distance(received.hidden_gradients[0], expected.hidden_gradients[0]) < 0.02);
    }
}

TEST_CASE("cuda linear loss training: the same bits in every order of threads") {
  for (const LossSpec& loss : losses())
    for (const bool clips : {false, true}) {
      CAPTURE(loss_name(loss.kind));
      test::same_in_every_order([&] {
        CudaBackend cuda;
        Result result =
            train(cuda, {.loss = loss, .optimizer = fast(test::optimizer_specs()[6]), .clips = clips, .steps = 2});
        result.arrays.insert(result.arrays.end(), result.hidden_gradients.begin(), result.hidden_gradients.end());
        return result.arrays;
      });
    }
}

TEST_CASE("cuda linear loss training: steps allocate nothing, and wait for nothing") {
  for (const LossSpec& loss : losses())
    for (const bool clips : {false, true})
      for (const bool bfloat16 : {false, true})
        for (const ClassGradientMemory memory : {ClassGradientMemory::store, ClassGradientMemory::recompute}) {
          CAPTURE(loss_name(loss.kind));
          cuda::Queue queue(nullptr, 1 << 20);
          const std::int64_t m = 5, d = 4, k = 40;
          const test::DeviceArray<float> weight(random_values(k * d, 1)), bias(random_values(k, 2)),
              velocity(std::vector<float>(static_cast<std::size_t>(k * d))),
              bias_velocity(std::vector<float>(static_cast<std::size_t>(k))), hidden(random_values(m * d, 3)),
              gradient(std::vector<float>(static_cast<std::size_t>(m * d))), scale(std::vector<float>{0.5f});
          const test::DeviceArray<std::uint16_t> bits(std::vector<std::uint16_t>(static_cast<std::size_t>(k * d)));
          const test::DeviceArray<std::int32_t> labels(std::vector<std::int32_t>{3, 1, 3, 39, 0});
          const test::DeviceArray<double> value(1), squares(1);
          const test::DeviceArray<std::int64_t> correct(1);
          LinearLossTrainingPlan plan;
          plan.loss = loss;
          plan.optimizer = test::optimizer_specs()[2];
          plan.classes = {bfloat16 ? static_cast<void*>(bits.data()) : weight.data(),
                          bfloat16 ? WeightType::bfloat16 : WeightType::float32,
                          bias.data(),
                          {velocity.data(), nullptr},
                          {bias_velocity.data(), nullptr},
                          k,
                          d};
          plan.max_examples = m;
          plan.workspace_bytes = 600;
          plan.memory = memory;
          plan.clips = clips;
          const auto training = cuda::make_cuda_linear_loss_training(queue, plan);
          cuda_host::limit_memory(1);
          const std::int64_t waits = cuda_host::counts().waits;
          for (std::uint64_t step = 0; step < 3; ++step) {
            training->run({hidden.data(), labels.data(), m, step, 0.1f, gradient.data()}, value.data(), correct.data());
            if (clips) training->gradient_squares(squares.data());
            training->update(clips ? scale.data() : nullptr);
          }
          training->catch_up();
          training->evaluate(hidden.data(), labels.data(), m, 0, value.data(), correct.data());
          CHECK(cuda_host::counts().waits == waits);
          cuda_host::limit_memory(0);
          CHECK(std::isfinite(value.host()[0]));
        }
}

}  // namespace
}  // namespace onelogit
