// Rows of a parameter matrix that are updated or rest, against the CPU's.

#include "backend/cuda/row_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>

#include "backend/cpu/row_table.h"
#include "device_array.h"
#include "optimizer_specs.h"
#include "random_values.h"
#include "same_bits.h"
#include "simd_levels.h"
#include "small_run.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

struct Case {
  OptimizerSpec optimizer;
  std::int64_t rows, columns;
  bool bias = false, bfloat16 = false, few = true;
  std::uint64_t steps = 9;
  std::uint32_t history = IdleHistory::capacity;
  std::optional<std::uint64_t> undefined_step = std::nullopt;
};

struct Step {
  std::vector<std::int32_t> ids;  // each once, in any order
  std::vector<float> gradient, bias_gradient, scale;
  float learning_rate;
};

std::vector<Step> steps_of(const Case& each) {
  std::mt19937 random(7);
  std::vector<Step> steps(each.steps);
  for (std::uint64_t s = 0; s < each.steps; ++s) {
    Step& step = steps[s];
    step.ids.resize(static_cast<std::size_t>(each.rows));
    std::iota(step.ids.begin(), step.ids.end(), 0);
    std::shuffle(step.ids.begin(), step.ids.end(), random);
    step.ids.resize(each.few ? s % 4 == 3 ? 0 : std::min<std::size_t>(step.ids.size(), 1 + s % 3) : step.ids.size());
    const auto n = static_cast<std::int64_t>(step.ids.size());
    step.gradient = random_values(n * each.columns, static_cast<std::uint32_t>(100 + s));
    step.bias_gradient = random_values(n, static_cast<std::uint32_t>(200 + s));
    if (s == 6 && n > 0) step.gradient[0] = test::nan;
    if (s % 2 == 1) step.scale = {0.25f};
    step.learning_rate = static_cast<float>(each.optimizer.learning_rate) / static_cast<float>(1 + s % 5);
  }
  return steps;
}

// The matrix as float32, its bias, and the states of both.
using Result = std::vector<std::vector<float>>;

std::vector<std::uint16_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint16_t> bits;
  for (const float value : values) bits.push_back(float32_to_bfloat16(value));
  return bits;
}
std::vector<float> values_of(const std::vector<std::uint16_t>& bits) {
  std::vector<float> values(bits.size());
  bfloat16_to_float32(bits.data(), static_cast<std::int64_t>(bits.size()), values.data());
  return values;
}

ParameterRows rows_of(const Case& each, void* value, float* bias, float* const (&state)[4]) {
  const int states = optimizer_state_count(each.optimizer);
  return {value,
          each.bfloat16 ? WeightType::bfloat16 : WeightType::float32,
          each.bias ? bias : nullptr,
          {states > 0 ? state[0] : nullptr, states > 1 ? state[1] : nullptr},
          {states > 0 ? state[2] : nullptr, states > 1 ? state[3] : nullptr},
          each.rows,
          each.columns};
}

Result on_cpu(const Case& each, const std::vector<Step>& steps) {
  const std::int64_t size = each.rows * each.columns;
  Result result{random_values(size, 1), random_values(each.rows, 2)};
  for (const std::int64_t n : {size, size, each.rows, each.rows})
    result.emplace_back(static_cast<std::size_t>(n), 0.0f);
  std::vector<std::uint16_t> bits = bits_of(result[0]);
  const ParameterRows rows =
      rows_of(each, each.bfloat16 ? static_cast<void*>(bits.data()) : result[0].data(), result[1].data(),
              {result[2].data(), result[3].data(), result[4].data(), result[5].data()});
  RowTable table(rows, each.optimizer, each.few ? RowTable::Touched::few_rows : RowTable::Touched::all_rows, 5);
  for (std::uint64_t s = 0; s < each.steps; ++s) {
    if (each.undefined_step == s) continue;
    table.begin_step(steps[s].learning_rate, s);
    for (const std::int32_t id : steps[s].ids) table.catch_up(id, 1);
    for (std::size_t n = 0; n < steps[s].ids.size(); ++n)
      table.update(steps[s].ids[n], 1, steps[s].gradient.data() + static_cast<std::int64_t>(n) * each.columns,
                   steps[s].bias_gradient.data() + n, steps[s].scale.empty() ? 1.0f : steps[s].scale[0]);
    table.end_step();
  }
  table.catch_up_all();
  if (each.bfloat16) result[0] = values_of(bits);
  return result;
}

Result on_cuda(const Case& each, const std::vector<Step>& steps) {
  cuda::Queue queue(nullptr, 1 << 20);
  const std::int64_t size = each.rows * each.columns;
  const DeviceArray<float> value(random_values(size, 1)), bias(random_values(each.rows, 2));
  const DeviceArray<std::uint16_t> bits(bits_of(random_values(size, 1)));
  const std::vector<float> of_matrix(static_cast<std::size_t>(size)), of_bias(static_cast<std::size_t>(each.rows));
  const DeviceArray<float> state[4] = {DeviceArray<float>(of_matrix), DeviceArray<float>(of_matrix),
                                       DeviceArray<float>(of_bias), DeviceArray<float>(of_bias)};
  const ParameterRows rows = rows_of(each, each.bfloat16 ? static_cast<void*>(bits.data()) : value.data(), bias.data(),
                                     {state[0].data(), state[1].data(), state[2].data(), state[3].data()});
  cuda::RowTable table(queue, rows, each.optimizer,
                       each.few ? cuda::RowTable::Touched::few_rows : cuda::RowTable::Touched::all_rows, 5,
                       each.history);
  const DeviceArray<std::int32_t> flags(std::vector<std::int32_t>{0, 1});
  for (std::uint64_t s = 0; s < each.steps; ++s) {
    const Step& step = steps[s];
    std::vector<std::int32_t> padded = step.ids;
    padded.resize(padded.size() + 3, -1);  // there is room for more
    const DeviceArray<std::int32_t> ids(padded),
        count(std::vector<std::int32_t>{static_cast<std::int32_t>(step.ids.size())});
    const DeviceArray<float> gradient(step.gradient), bias_gradient(step.bias_gradient), scale(step.scale);
    table.begin_step(step.learning_rate, s,
                     each.undefined_step == s ? flags.data() + 1
                     : s % 2 == 0             ? nullptr
                                              : flags.data());
    const float* const device_scale = step.scale.empty() ? nullptr : scale.data();
    if (s % 3 == 2) {  // rows one by one
      for (const std::int32_t id : step.ids) table.catch_up(id, 1);
      for (std::size_t n = 0; n < step.ids.size(); ++n)
        table.update(step.ids[n], 1, gradient.data() + static_cast<std::int64_t>(n) * each.columns,
                     bias_gradient.data() + n, device_scale);
    } else {
      const auto most = static_cast<std::int64_t>(padded.size());
      table.catch_up_rows(ids.data(), count.data(), most);
      table.update_rows(ids.data(), count.data(), most, gradient.data(), bias_gradient.data(), device_scale);
    }
    table.end_step();
  }
  table.catch_up_all();
  table.catch_up_all();  // nothing is left
  return {each.bfloat16 ? values_of(bits.host()) : value.host(),
          bias.host(),
          state[0].host(),
          state[1].host(),
          state[2].host(),
          state[3].host()};
}

// The largest difference in units of the last place of bfloat16.
double bfloat16_units(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    int exponent;
    static_cast<void>(std::frexp(std::max(std::abs(a[i]), std::abs(b[i])), &exponent));
    largest = std::max(largest, static_cast<double>(std::abs(a[i] - b[i])) / std::ldexp(1.0, exponent - 8));
  }
  return largest;
}

void check_parity(const Case& each) {
  CAPTURE(static_cast<int>(each.optimizer.kind));
  CAPTURE(each.optimizer.momentum);
  CAPTURE(each.optimizer.weight_decay);
  CAPTURE(each.rows);
  CAPTURE(each.columns);
  CAPTURE(each.bfloat16);
  const std::vector<Step> steps = steps_of(each);
  const Result expected = on_cpu(each, steps);
  const Result received = test::same_in_every_order([&] { return on_cuda(each, steps); });
  for (std::size_t array = each.bfloat16 ? 1 : 0; array < expected.size(); ++array) {
    CAPTURE(array);
    CHECK(test::largest_error(received[array], expected[array], 1e-2) < (each.bfloat16 ? 1e-2 : 2e-5));
  }
}

TEST_CASE("cuda row table: every rule as on the CPU, rows by range and by list") {
  for (const OptimizerSpec& optimizer : test::optimizer_specs())
    for (const bool few : {true, false}) {
      check_parity({.optimizer = optimizer, .rows = 7, .columns = 5, .bias = true, .few = few});
      check_parity({.optimizer = optimizer, .rows = 40, .columns = 68, .few = few});
      check_parity({.optimizer = optimizer, .rows = 1, .columns = 1, .bias = true, .few = few});
      if (!test::small_run())
        check_parity({.optimizer = optimizer, .rows = 9, .columns = 260, .bias = true, .few = few});
    }
}

TEST_CASE("cuda row table: a history that is full, again and again") {
  for (const OptimizerSpec& optimizer : test::optimizer_specs())
    for (const std::uint32_t history : {1u, 2u, 5u}) {
      check_parity({.optimizer = optimizer, .rows = 11, .columns = 8, .bias = true, .steps = 21, .history = history});
      check_parity({.optimizer = optimizer, .rows = 300, .columns = 3, .steps = 12, .history = history});
    }
}

TEST_CASE("cuda row table: a step that is undefined changes nothing") {
  for (const OptimizerSpec& optimizer : test::optimizer_specs())
    check_parity({.optimizer = optimizer, .rows = 6, .columns = 4, .bias = true, .history = 3, .undefined_step = 4});
}

// Random bits are those of a CPU with 512-bit vectors. A value whose fused operations round otherwise may come out one
// unit away; few do.
TEST_CASE("cuda row table: bfloat16 is rounded by the same random bits as on the CPU") {
#if defined(__x86_64__)
  const bool same_bits = test::has_avx512();
#else
  const bool same_bits = false;
#endif
  for (const OptimizerSpec& optimizer : test::optimizer_specs())
    for (const std::int64_t columns : {1, 16, 33, 100}) {
      Case each{.optimizer = optimizer, .rows = 13, .columns = columns, .bias = true, .bfloat16 = true, .steps = 5};
      const std::vector<Step> steps = steps_of(each);
      const Result expected = on_cpu(each, steps);
      const Result received = test::same_in_every_order([&] { return on_cuda(each, steps); });
      CAPTURE(static_cast<int>(optimizer.kind));
      CAPTURE(columns);
      CHECK(bfloat16_units(received[0], expected[0]) < (same_bits ? 2.5 : 8.5));
      if (!same_bits) continue;
      std::size_t different = 0;
      for (std::size_t i = 0; i < expected[0].size(); ++i)
        different += received[0][i] != expected[0][i] && !(std::isnan(received[0][i]) && std::isnan(expected[0][i]));
      CHECK(different * 200 <= expected[0].size());
    }
}

TEST_CASE("cuda row table: bfloat16 is right on average") {
  const std::int64_t rows = 64, columns = 64, size = rows * columns;
  const float value = 1.0f, gradient = -1.0f / 1024;  // an eighth of a unit in the last place
  cuda::Queue queue(nullptr, 1 << 20);
  const DeviceArray<std::uint16_t> bits(bits_of(std::vector<float>(static_cast<std::size_t>(size), value)));
  const DeviceArray<float> gradients(std::vector<float>(static_cast<std::size_t>(size), gradient));
  ParameterRows table_rows;
  table_rows.value = bits.data();
  table_rows.type = WeightType::bfloat16;
  table_rows.rows = rows;
  table_rows.columns = columns;
  cuda::RowTable table(queue, table_rows, OptimizerSpec(), cuda::RowTable::Touched::all_rows, 3);
  for (std::uint64_t step = 0; step < 4; ++step) {
    table.begin_step(1.0f, step, nullptr);
    table.update(0, rows, gradients.data(), nullptr, nullptr);
    table.end_step();
  }
  double sum = 0;
  for (const float v : values_of(bits.host())) sum += static_cast<double>(v);
  // 4096 elements, each within a unit (1/128): the mean's deviation is below 1/128/64 = 1.2e-4.
  CHECK(sum / static_cast<double>(size) == doctest::Approx(1.0 + 4.0 / 1024).epsilon(4e-4));
}

TEST_CASE("cuda row table: a history as long as it is outside tests") {
  if (test::small_run()) return;
  OptimizerSpec optimizer = test::optimizer_specs()[3];
  optimizer.learning_rate = 1e-3;
  const Case each{.optimizer = optimizer, .rows = 5, .columns = 2, .bias = true, .steps = IdleHistory::capacity + 5};
  const std::vector<Step> steps = steps_of(each);
  const Result expected = on_cpu(each, steps), received = on_cuda(each, steps);
  for (std::size_t array = 0; array < expected.size(); ++array)
    CHECK(test::largest_error(received[array], expected[array], 1e-2) < 2e-5);
}

TEST_CASE("cuda row table: steps allocate nothing") {
  const OptimizerSpec optimizer = test::optimizer_specs()[3];
  cuda::Queue queue(nullptr, 1 << 20);
  const DeviceArray<float> value(random_values(12, 1)), velocity(std::vector<float>(12)),
      gradient(random_values(12, 2));
  ParameterRows rows;
  rows.value = value.data();
  rows.state[0] = velocity.data();
  rows.rows = 4;
  rows.columns = 3;
  cuda::RowTable table(queue, rows, optimizer, cuda::RowTable::Touched::few_rows, 3, 2);
  cuda_host::limit_memory(1);
  for (std::uint64_t step = 0; step < 5; ++step) {
    table.begin_step(0.5f, step, nullptr);
    table.catch_up(1, 2);
    table.update(1, 2, gradient.data(), nullptr, nullptr);
    table.end_step();
  }
  table.catch_up_all();
  cuda_host::limit_memory(0);
  CHECK(value.host() != random_values(12, 1));
}

}  // namespace
}  // namespace onelogit
