#include "backend/cuda/optimizer.h"

#include <doctest/doctest.h>

#include "backend/backend.h"
#include "device_array.h"
#include "optimizer_specs.h"
#include "random_values.h"
#include "same_bits.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::optimizer_specs;
using test::random_values;

// Slices one after another, each at an address of its own kind, and the gradient's another one than the value's. Some
// are of several chunks.
constexpr std::int64_t sizes[] = {1, 31, 32, 33, 0, 257, 1024, 3001, 5};
constexpr std::int64_t total = 1 + 31 + 32 + 33 + 257 + 1024 + 3001 + 5;

std::vector<ParameterSlice> slices_of(float* value, const float* gradient, float* first, float* second, int states) {
  std::vector<ParameterSlice> slices;
  for (const std::int64_t size : sizes) {
    slices.push_back({value, gradient, {states > 0 ? first : nullptr, states > 1 ? second : nullptr}, size});
    value += size;
    gradient += size;
    first += size;
    second += size;
  }
  return slices;
}

std::vector<float> gradients(std::uint64_t step) {
  std::vector<float> values = random_values(total, static_cast<std::uint32_t>(10 + step));
  if (step == 3) values[40] = test::nan;
  return values;
}

constexpr std::uint64_t steps = 4;
constexpr float scale = 0.25f;
bool scaled(std::uint64_t step) { return step % 2 == 0; }

std::vector<std::vector<float>> on_cuda(const OptimizerSpec& spec) {
  cuda::Optimizer optimizer;
  cuda::Step now(nullptr);
  DeviceArray<float> value(random_values(total, 1)), gradient(static_cast<std::size_t>(total + 1)),
      first(std::vector<float>(total, 0.0f)), second(std::vector<float>(total, 0.0f)),
      device_scale(std::vector<float>{scale});
  const std::vector<ParameterSlice> slices =
      slices_of(value.data(), gradient.data() + 1, first.data(), second.data(), optimizer_state_count(spec));
  for (std::uint64_t step = 1; step <= steps; ++step) {
    const std::vector<float> values = gradients(step);
    cuda::check(cudaMemcpyAsync(gradient.data() + 1, values.data(), values.size() * sizeof(float),
                                cudaMemcpyHostToDevice, nullptr),
                "a test");
    cuda::check(cudaStreamSynchronize(nullptr), "a test");
    now.set(step - 1, static_cast<float>(spec.learning_rate));
    optimizer.step(nullptr, spec, now.values(), slices.data(), slices.size(),
                   scaled(step) ? device_scale.data() : nullptr);
  }
  return {value.host(), first.host(), second.host()};
}

std::vector<std::vector<float>> on_cpu(const OptimizerSpec& spec) {
  std::vector<float> value = random_values(total, 1), first(total), second(total);
  for (std::uint64_t step = 1; step <= steps; ++step) {
    const std::vector<float> gradient = gradients(step);
    const std::vector<ParameterSlice> slices =
        slices_of(value.data(), gradient.data(), first.data(), second.data(), optimizer_state_count(spec));
    cpu_backend().optimizer_step(spec, static_cast<float>(spec.learning_rate), step, slices,
                                 scaled(step) ? &scale : nullptr);
  }
  return {value, first, second};
}

TEST_CASE("cuda optimizer: every rule as on the CPU, over slices at any address") {
  int number = 0;
  for (const OptimizerSpec& spec : optimizer_specs()) {
    CAPTURE(number++);
    const auto received = test::same_in_every_order([&] { return on_cuda(spec); }), expected = on_cpu(spec);
    for (std::size_t array = 0; array < received.size(); ++array)
      CHECK(test::largest_error(received[array], expected[array], 1e-2) < 1e-5);
  }
}

std::vector<float> clip(const std::vector<float>& gradient, float clip_norm, const double* more) {
  return test::same_in_every_order([&] {
    cuda::Optimizer optimizer;
    DeviceArray<float> device_gradient(gradient), result(1);
    DeviceArray<double> device_more(std::vector<double>{more == nullptr ? 0.0 : *more});
    const auto half = static_cast<std::int64_t>(gradient.size() / 2), size = static_cast<std::int64_t>(gradient.size());
    // Only gradients are read.
    const ParameterSlice slices[] = {{nullptr, device_gradient.data(), {nullptr, nullptr}, half},
                                     {nullptr, device_gradient.data() + half, {nullptr, nullptr}, size - half}};
    optimizer.clip_scale(nullptr, slices, 2, clip_norm, more == nullptr ? nullptr : device_more.data(), result.data());
    return std::vector<std::vector<float>>{result.host()};
  })[0];
}

TEST_CASE("cuda clip_scale: min(1, clip norm / norm of all gradients) as on the CPU") {
  const double more = 50.0;
  for (const std::int64_t size : {0, 1, 31, 33, 257, 4099})
    for (const double* const added : {static_cast<const double*>(nullptr), &more})
      for (const float clip_norm : {0.5f, 1e4f}) {
        CAPTURE(size);
        CAPTURE(clip_norm);
        const std::vector<float> gradient = random_values(size, 1);
        const ParameterSlice slice{nullptr, gradient.data(), {nullptr, nullptr}, size};
        float expected = 0;
        cpu_backend().clip_scale({&slice, 1}, clip_norm, added, &expected);
        CHECK(clip(gradient, clip_norm, added)[0] == doctest::Approx(expected).epsilon(1e-6));
      }
}

TEST_CASE("cuda clip_scale: NaN and infinity, and squares beyond float32") {
  CHECK(std::isnan(clip({1.0f, test::nan, 1.0f}, 1.0f, nullptr)[0]));
  CHECK(clip({1.0f, test::infinity, 1.0f}, 1.0f, nullptr)[0] == 0.0f);
  CHECK(clip({3e30f, 4e30f}, 1e30f, nullptr)[0] == doctest::Approx(0.2));
  const double nan = static_cast<double>(test::nan);
  CHECK(std::isnan(clip({1.0f}, 1.0f, &nan)[0]));
}

TEST_CASE("cuda optimizer: steps after the first allocate nothing, and several models keep their tables") {
  const OptimizerSpec spec;
  cuda::Optimizer optimizer;
  cuda::Step now(nullptr);
  now.set(0, 0.5f);
  DeviceArray<float> value(std::vector<float>(24, 1.0f)), gradient(std::vector<float>(24, 1.0f)), result(1);
  const auto step = [&](std::int64_t model) {
    const ParameterSlice slice{value.data() + model, gradient.data(), {nullptr, nullptr}, 1};
    optimizer.clip_scale(nullptr, &slice, 1, 1.0f, nullptr, result.data());
    optimizer.step(nullptr, spec, now.values(), &slice, 1, nullptr);
  };
  for (std::int64_t model = 0; model < 8; ++model) step(model);
  cuda_host::limit_memory(1);
  for (std::int64_t model = 0; model < 8; ++model) step(model);
  CHECK_THROWS(step(8));  // this one is new
  cuda_host::limit_memory(0);
  for (std::int64_t model = 8; model < 24; ++model) step(model);
  std::vector<float> expected(24, 0.5f);
  std::fill_n(expected.begin(), 8, 0.0f);
  CHECK(value.host() == expected);
}

TEST_CASE("cuda optimizer: a table of slices is there however late it is copied") {
  cuda_host::delay_work(cuda_host::Delay::all);
  {
    DeviceArray<float> value(std::vector<float>(24, 1.0f)), gradient(std::vector<float>(24, 1.0f));
    cuda::Step now(nullptr);
    now.set(0, 0.5f);
    cuda::Optimizer optimizer;
    std::vector<std::vector<char>> over;  // takes the place of what is freed
    for (std::int64_t size : {5, 24}) {
      const ParameterSlice slice{value.data(), gradient.data(), {nullptr, nullptr}, size};
      optimizer.step(nullptr, OptimizerSpec(), now.values(), &slice, 1, nullptr);
      for (int i = 0; i < 100; ++i) over.emplace_back(sizeof(ParameterSlice), '\0');
    }
    std::vector<float> expected(24, 0.5f);
    std::fill_n(expected.begin(), 5, 0.0f);
    CHECK(value.host() == expected);
  }
  cuda_host::delay_work(cuda_host::Delay::none);
}

TEST_CASE("cuda optimizer: longer chunks for larger models") {
  if (test::small_run()) return;
  const std::int64_t size = (std::int64_t{5} << 20) + 3;
  cuda::Optimizer optimizer;
  DeviceArray<float> value(std::vector<float>(static_cast<std::size_t>(size), 1.0f)),
      gradient(std::vector<float>(static_cast<std::size_t>(size), 2.0f)), result(1);
  const ParameterSlice slice{value.data(), gradient.data(), {nullptr, nullptr}, size};
  cuda::Step now(nullptr);
  now.set(0, 0.25f);
  optimizer.step(nullptr, OptimizerSpec(), now.values(), &slice, 1, nullptr);
  CHECK(value.host() == std::vector<float>(static_cast<std::size_t>(size), 0.5f));
}

}  // namespace
}  // namespace onelogit
