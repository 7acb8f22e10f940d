// What sampled nce hands over: the rows that it touches, before it reads them and with their gradients.

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "device_array.h"
#include "distance.h"
#include "loss/noise.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

template <class T>
std::vector<T> to_host(const T* from, std::size_t size) {
  std::vector<T> values(size);
  cuda::check(cudaMemcpyAsync(values.data(), from, size * sizeof(T), cudaMemcpyDeviceToHost, nullptr), "a test");
  return values;
}

// Keeps what it is told.
class Recorded final : public cuda::ClassGradients {
 public:
  void before_read(std::int64_t, std::int64_t) override { FAIL("sampled nce reads few rows"); }
  void before_read_rows(const std::int32_t* ids, const std::int32_t* count, std::int64_t most) override {
    CHECK(gradient.empty());
    read = to_host(ids, static_cast<std::size_t>(to_host(count, 1)[0]));
    CHECK(static_cast<std::int64_t>(read.size()) <= most);
  }
  void block(const LinearLossArguments&, const cuda::ClassBlock&) override { FAIL("sampled nce has no blocks"); }
  void relative(const LinearLossArguments&, const cuda::RelativeBlocks&, const cuda::SparseRows&) override {
    FAIL("sampled nce has no blocks");
  }
  void rows(const LinearLossArguments& arguments, const cuda::SparseRows& rows, const float* undefined) override {
    CHECK(undefined == nullptr);
    const auto n = static_cast<std::size_t>(to_host(rows.count, 1)[0]);
    CHECK(to_host(rows.classes, n) == read);
    gradient = to_host(rows.gradient, n * static_cast<std::size_t>(arguments.d));
    bias_gradient = to_host(rows.bias_gradient, n);
  }

  std::vector<std::int32_t> read;
  std::vector<float> gradient, bias_gradient;
};

struct Case {
  LossSpec loss;
  std::int64_t m, d, k;
  std::size_t workspace;
};

void check_rows(const Case& each, std::uint64_t step) {
  CAPTURE(each.m);
  CAPTURE(each.k);
  CAPTURE(each.loss.num_sampled);
  CAPTURE(each.loss.samples == NoiseSamples::shared);
  const std::int64_t m = each.m, d = each.d, k = each.k;
  const std::vector<float> hidden = random_values(m * d, 1), weight = random_values(k * d, 2),
                           bias = random_values(k, 3);
  std::mt19937 random(4);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(m));
  for (std::int32_t& label : labels) label = static_cast<std::int32_t>(random() % static_cast<std::uint32_t>(k));
  labels[0] = labels[static_cast<std::size_t>(m) - 1];

  // The dense gradient, by the CPU.
  LinearLossArguments arguments;
  std::vector<float> expected_weight(weight.size()), expected_bias(bias.size());
  arguments.hidden = hidden.data();
  arguments.weight = weight.data();
  arguments.bias = bias.data();
  arguments.labels = labels.data();
  arguments.m = m;
  arguments.d = d;
  arguments.k = k;
  arguments.step = step;
  arguments.gradient_weight = expected_weight.data();
  arguments.gradient_bias = expected_bias.data();
  double expected_value = 0;
  cpu_backend().make_linear_loss(each.loss, m, d, k, default_linear_loss_workspace)->run(arguments, &expected_value);
  // The classes that are touched.
  const NoiseSampler sampler(each.loss, k);
  const bool shared = each.loss.samples == NoiseSamples::shared;
  std::set<std::int32_t> touched(labels.begin(), labels.end());
  for (std::int64_t n = 0; n < each.loss.num_sampled * (shared ? 1 : m); ++n)
    touched.insert(sampler.draw(step, static_cast<std::uint64_t>(n)));

  const auto received = test::same_in_every_order([&] {
    cuda::Queue queue(nullptr, std::size_t{1} << 20);
    const auto kernel = cuda::make_cuda_linear_loss(queue, {each.loss, m + 3, d, k, each.workspace});
    const DeviceArray<float> device_hidden(hidden), device_weight(weight), device_bias(bias);
    const DeviceArray<std::int32_t> device_labels(labels);
    const DeviceArray<double> value(1);
    LinearLossArguments on_device = arguments;
    on_device.hidden = device_hidden.data();
    on_device.weight = device_weight.data();
    on_device.bias = device_bias.data();
    on_device.labels = device_labels.data();
    on_device.gradient_weight = on_device.gradient_bias = nullptr;
    Recorded recorded;
    kernel->pass(on_device, recorded, value.data());
    CHECK(value.host()[0] == doctest::Approx(expected_value).epsilon(1e-5));
    CHECK(recorded.read == std::vector<std::int32_t>(touched.begin(), touched.end()));
    std::vector<float> dense_weight(weight.size()), dense_bias(bias.size());
    for (std::size_t n = 0; n < recorded.read.size(); ++n) {
      const auto j = static_cast<std::size_t>(recorded.read[n]);
      std::copy_n(recorded.gradient.begin() + static_cast<std::ptrdiff_t>(n) * d, d,
                  dense_weight.begin() + static_cast<std::ptrdiff_t>(j) * d);
      dense_bias[j] = recorded.bias_gradient[n];
    }
    return std::vector<std::vector<float>>{dense_weight, dense_bias};
  });
  // 300 draws of one class are 300 additions here, and one of 300 times as much on the CPU.
  CHECK(test::distance(received[0], expected_weight) < 5e-5);
  CHECK(test::distance(received[1], expected_bias) < 5e-5);
}

TEST_CASE("cuda sampled nce: the rows that it touches, and their gradients as on the CPU") {
  constexpr NoiseKind noises[] = {NoiseKind::uniform, NoiseKind::log_uniform, NoiseKind::weights};
  LossSpec loss;
  loss.kind = LossKind::nce;
  int number = 0;
  for (const NoiseSamples samples : {NoiseSamples::shared, NoiseSamples::per_example})
    for (const bool remove : {false, true})
      for (const std::int64_t sampled : {1, 2, 33, 300}) {
        loss.samples = samples;
        loss.num_sampled = sampled;
        loss.noise = noises[number++ % 3];
        loss.remove_accidental_hits = remove;
        const auto case_of = [&](std::int64_t m, std::int64_t d, std::int64_t k, std::size_t workspace) {
          loss.noise_weights.clear();
          for (std::int64_t j = 0; loss.noise == NoiseKind::weights && j < k; ++j)
            loss.noise_weights.push_back(1.0f + static_cast<float>(j % 5));
          return Case{loss, m, d, k, workspace};
        };
        check_rows(case_of(5, 4, 1000, 1 << 20), 0);
        check_rows(case_of(3, 7, 10, 400), 3);  // runs of few draws
        check_rows(case_of(1, 1, 1, 1), 1);
      }
}

}  // namespace
}  // namespace onelogit
