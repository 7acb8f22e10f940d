// The fused last layers against the CPU's.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "backend/backend.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "device_array.h"
#include "distance.h"
#include "random_values.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::distance;

struct Case {
  LossSpec loss;
  std::int64_t m, d, k;
  std::size_t workspace;
  bool bias = true, bfloat16 = false;
  float spread = 1.0f;  // of the logits, about
  ClassGradientMemory memory = ClassGradientMemory::store;
};

struct Result {
  double value = 0;
  std::int64_t correct = 0;
  std::vector<float> hidden, weight, bias;
};

struct Inputs {
  std::vector<float> hidden, weight, bias;
  std::vector<std::uint16_t> weight_bits;
  std::vector<std::int32_t> labels;
};

Inputs inputs_of(const Case& each, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Inputs inputs;
  for (std::int64_t i = 0; i < each.m * each.d; ++i) inputs.hidden.push_back(normal(random));
  for (std::int64_t i = 0; i < each.k * each.d; ++i) {
    float w = normal(random) * each.spread / std::sqrt(static_cast<float>(each.d));
    std::uint32_t word;
    std::memcpy(&word, &w, sizeof(w));
    inputs.weight_bits.push_back(static_cast<std::uint16_t>(word >> 16));
    if (each.bfloat16) {
      word &= 0xffff0000u;
      std::memcpy(&w, &word, sizeof(w));
    }
    inputs.weight.push_back(w);
  }
  for (std::int64_t j = 0; j < each.k; ++j) inputs.bias.push_back(normal(random));
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(each.k) - 1);
  for (std::int64_t i = 0; i < each.m; ++i) inputs.labels.push_back(i % 5 == 4 ? inputs.labels[0] : label(random));
  return inputs;
}

Result on_cpu(const Case& each, const Inputs& inputs) {
  Result result;
  result.hidden.resize(inputs.hidden.size());
  result.weight.resize(inputs.weight.size());
  result.bias.resize(inputs.bias.size());
  LinearLossArguments arguments;
  arguments.hidden = inputs.hidden.data();
  arguments.weight = inputs.weight.data();
  arguments.bias = each.bias ? inputs.bias.data() : nullptr;
  arguments.labels = inputs.labels.data();
  arguments.m = each.m;
  arguments.d = each.d;
  arguments.k = each.k;
  arguments.gradient_hidden = result.hidden.data();
  arguments.gradient_weight = result.weight.data();
  arguments.gradient_bias = result.bias.data();
  arguments.correct = &result.correct;
  cpu_backend()
      .make_linear_loss(each.loss, each.m, each.d, each.k, default_linear_loss_workspace)
      ->run(arguments, &result.value);
  return result;
}

Result on_cuda(const Case& each, const Inputs& inputs) {
  cuda::Queue queue(nullptr, std::size_t{1} << 20);
  const auto kernel =
      cuda::make_cuda_linear_loss(queue, {each.loss, each.m + 3, each.d, each.k, each.workspace}, each.memory);
  const DeviceArray<float> hidden(inputs.hidden), weight(inputs.weight), bias(inputs.bias);
  const DeviceArray<std::uint16_t> weight_bits(inputs.weight_bits);
  const DeviceArray<std::int32_t> labels(inputs.labels);
  const DeviceArray<float> gradient_hidden(inputs.hidden.size()), gradient_weight(inputs.weight.size()),
      gradient_bias(inputs.bias.size());
  const DeviceArray<double> value(1);
  const DeviceArray<std::int64_t> correct(1);
  LinearLossArguments arguments;
  arguments.hidden = hidden.data();
  arguments.weight = each.bfloat16 ? static_cast<const void*>(weight_bits.data()) : weight.data();
  arguments.weight_type = each.bfloat16 ? WeightType::bfloat16 : WeightType::float32;
  arguments.bias = each.bias ? bias.data() : nullptr;
  arguments.labels = labels.data();
  arguments.m = each.m;
  arguments.d = each.d;
  arguments.k = each.k;
  arguments.gradient_hidden = gradient_hidden.data();
  arguments.gradient_weight = gradient_weight.data();
  arguments.gradient_bias = gradient_bias.data();
  arguments.correct = correct.data();
  kernel->run(arguments, value.data());
  Result result{value.host()[0], correct.host()[0], gradient_hidden.host(), gradient_weight.host(),
                gradient_bias.host()};
  // The value alone is the same.
  arguments.gradient_hidden = arguments.gradient_weight = arguments.gradient_bias = nullptr;
  arguments.correct = nullptr;
  kernel->run(arguments, value.data());
  const double alone = value.host()[0];
  CHECK((alone == result.value || (std::isnan(alone) && std::isnan(result.value))));
  return result;
}

void check_parity(const Case& each, const Inputs& inputs) {
  const Result expected = on_cpu(each, inputs);
  Result first;
  for (const auto& order : test::orders()) {
    cuda_host::set_order(order.order);
    const Result result = on_cuda(each, inputs);
    CAPTURE(order.name);
    CAPTURE(loss_name(each.loss.kind));
    CAPTURE(each.m);
    CAPTURE(each.d);
    CAPTURE(each.k);
    if (std::isfinite(expected.value))
      CHECK(result.value == doctest::Approx(expected.value).epsilon(1e-5));
    else
      CHECK(std::isnan(result.value) == std::isnan(expected.value));
    CHECK(result.correct == expected.correct);
    CHECK(distance(result.hidden, expected.hidden) < 1e-4);
    CHECK(distance(result.weight, expected.weight) < 1e-4);
    CHECK(distance(result.bias, expected.bias) < 1e-4);
    // The same bits in every order.
    if (first.hidden.empty()) first = result;
    CHECK((result.value == first.value || std::isnan(first.value)));
    CHECK(std::memcmp(result.hidden.data(), first.hidden.data(), first.hidden.size() * sizeof(float)) == 0);
    CHECK(std::memcmp(result.weight.data(), first.weight.data(), first.weight.size() * sizeof(float)) == 0);
    CHECK(std::memcmp(result.bias.data(), first.bias.data(), first.bias.size() * sizeof(float)) == 0);
  }
  cuda_host::set_order({});
}

std::vector<LossSpec> losses() {
  std::vector<LossSpec> all(7);
  for (int kind = 0; kind < 7; ++kind) all[static_cast<std::size_t>(kind)].kind = static_cast<LossKind>(kind);
  LossSpec summed;
  summed.reduction = Reduction::sum;
  all.push_back(summed);
  LossSpec noise;
  noise.kind = LossKind::nce;
  noise.noise = NoiseKind::log_uniform;
  noise.noise_ratio = 5;
  all.push_back(noise);
  for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example})
    for (const bool remove : {false, true}) {
      noise.samples = samples;
      noise.remove_accidental_hits = remove;
      noise.num_sampled = remove ? 7 : 20;  // of few classes: most are drawn more than once
      noise.noise = remove ? NoiseKind::uniform : NoiseKind::log_uniform;
      all.push_back(noise);
    }
  return all;
}

TEST_CASE("cuda linear loss: values and gradients of every loss as on the CPU") {
  std::uint32_t seed = 1;
  for (const LossSpec& loss : losses()) {
    check_parity({loss, 7, 5, 11, 1 << 20}, inputs_of({loss, 7, 5, 11, 0}, seed));
    // Blocks of a few classes, the last one short.
    check_parity({loss, 9, 6, 40, 9 * 4 * 28}, inputs_of({loss, 9, 6, 40, 0}, ++seed));
    check_parity({loss, 1, 3, 2, 1}, inputs_of({loss, 1, 3, 2, 0}, ++seed));
    Case wide{loss, 33, 8, 700, 64 << 10, false};
    check_parity(wide, inputs_of(wide, ++seed));
    Case half{loss, 8, 7, 50, 2048, true, true};
    check_parity(half, inputs_of(half, ++seed));
    Case large{loss, 6, 4, 30, 1024, true, false, 1e4f};
    check_parity(large, inputs_of(large, ++seed));
    if (loss.kind != LossKind::batch_cross_entropy) continue;
    for (Case each : {Case{loss, 9, 6, 40, 9 * 4 * 28}, wide, half, large}) {
      each.memory = ClassGradientMemory::recompute;
      check_parity(each, inputs_of(each, ++seed));
    }
  }
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count
TEST_CASE("cuda linear loss: in bfloat16 each operand is rounded once") {
  constexpr std::int64_t m = 9, d = 6, k = 40, blocks = 10;
  const std::size_t workspace = (m + d + 1) * 4 * sizeof(float);  // blocks of four classes
  const auto launches = [&](const LossSpec& loss, Precision precision) {
    cuda::Queue queue(nullptr, std::size_t{1} << 20, precision);
    const auto kernel = cuda::make_cuda_linear_loss(queue, {loss, m, d, k, workspace});
    const DeviceArray<float> hidden(test::random_values(m * d, 1)), weight(test::random_values(k * d, 2));
    const DeviceArray<std::int32_t> labels(std::vector<std::int32_t>(m, 3));
    const DeviceArray<float> gradient_hidden(m * d), gradient_weight(k * d);
    const DeviceArray<double> value(1);
    LinearLossArguments arguments;
    arguments.hidden = hidden.data();
    arguments.weight = weight.data();
    arguments.labels = labels.data();
    arguments.m = m;
    arguments.d = d;
    arguments.k = k;
    arguments.gradient_hidden = gradient_hidden.data();
    arguments.gradient_weight = gradient_weight.data();
    cuda_host::reset_counts();
    kernel->run(arguments, value.data());
    return cuda_host::counts().launches;
  };
  for (const LossKind kind : {LossKind::batch_cross_entropy, LossKind::binary_cross_entropy, LossKind::cross_entropy}) {
    LossSpec loss;
    loss.kind = kind;
    CAPTURE(loss_name(kind));
    // Of each pass over the classes hidden, of each block its weights, and the logits' gradient.
    const std::int64_t passes = kind == LossKind::cross_entropy ? 2 : 1;
    CHECK(launches(loss, Precision::bfloat16) - launches(loss, Precision::float32) == passes * (1 + blocks) + blocks);
  }
}
#endif

TEST_CASE("cuda linear loss: ties, and logits that are not finite") {
  for (const LossSpec& loss : losses()) {
    Case each{loss, 5, 3, 24, 5 * 4 * 8};
    Inputs inputs = inputs_of(each, 3);
    std::fill(inputs.weight.begin(), inputs.weight.end(), 0.25f);
    std::fill(inputs.bias.begin(), inputs.bias.end(), 0.0f);
    check_parity(each, inputs);  // all logits of a row are equal
    inputs = inputs_of(each, 4);
    inputs.bias[7] = std::numeric_limits<float>::quiet_NaN();
    check_parity(each, inputs);
    inputs = inputs_of(each, 5);
    inputs.bias[20] = -std::numeric_limits<float>::infinity();
    for (std::int32_t& label : inputs.labels) label %= 20;
    check_parity(each, inputs);
    each.memory = ClassGradientMemory::recompute;
    check_parity(each, inputs);
    inputs.bias[3] = std::numeric_limits<float>::infinity();
    check_parity(each, inputs);
  }
}

}  // namespace
}  // namespace onelogit
