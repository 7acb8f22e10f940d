// Embeddings within training against the CPU's.

#include "layer/embedding_training.h"

#include <doctest/doctest.h>

#include <random>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda/embedding_training.h"
#include "device_array.h"
#include "optimizer_specs.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

struct Case {
  OptimizerSpec optimizer;
  std::int64_t rows, columns, n;
};
constexpr std::uint64_t steps = 7;

std::vector<std::int32_t> ids_of(const Case& each, std::uint64_t step) {
  std::mt19937 random(static_cast<std::uint32_t>(step));
  // Shorter in the end, longer in between; one id has most places.
  std::vector<std::int32_t> ids(static_cast<std::size_t>(step == steps - 1 ? (each.n + 1) / 2 : each.n));
  for (std::int32_t& id : ids)
    id = static_cast<std::int32_t>(random() % 3 == 0 ? random() % static_cast<std::uint32_t>(each.rows) : 0);
  return ids;
}
std::vector<float> gradient_of(const Case& each, std::size_t n, std::uint64_t step) {
  return random_values(static_cast<std::int64_t>(n) * each.columns, static_cast<std::uint32_t>(50 + step));
}

// The table, both states, and the activations and squares of each step.
std::vector<std::vector<float>> on_cpu(const Case& each) {
  const std::int64_t size = each.rows * each.columns;
  std::vector<std::vector<float>> result{random_values(size, 1), std::vector<float>(static_cast<std::size_t>(size)),
                                         std::vector<float>(static_cast<std::size_t>(size))};
  const int states = optimizer_state_count(each.optimizer);
  ParameterRows rows;
  rows.value = result[0].data();
  rows.rows = each.rows;
  rows.columns = each.columns;
  for (int s = 0; s < states; ++s) rows.state[s] = result[static_cast<std::size_t>(s) + 1].data();
  const auto training = cpu_backend().make_embedding_training(rows, each.optimizer);
  std::vector<std::vector<float>> seen;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::vector<std::int32_t> ids = ids_of(each, step);
    const auto n = static_cast<std::int64_t>(ids.size());
    const std::vector<float> dy = gradient_of(each, ids.size(), step);
    std::vector<float> y(dy.size());
    training->forward(ids.data(), n, y.data());
    training->backward(ids.data(), n, dy.data());
    double squares = 2;
    training->add_gradient_squares(&squares);
    const float scale = 0.5f;
    training->update(static_cast<float>(each.optimizer.learning_rate), step, step % 2 == 0 ? &scale : nullptr);
    seen.push_back(y);
    seen.push_back({static_cast<float>(squares)});
  }
  training->catch_up();
  result.insert(result.end(), seen.begin(), seen.end());
  return result;
}

std::vector<std::vector<float>> on_cuda(const Case& each) {
  cuda::Queue queue(nullptr, 1 << 20);
  const auto size = static_cast<std::size_t>(each.rows * each.columns);
  const DeviceArray<float> value(random_values(each.rows * each.columns, 1)), first(std::vector<float>(size, 0.0f)),
      second(std::vector<float>(size, 0.0f)), scale(std::vector<float>{0.5f});
  const int states = optimizer_state_count(each.optimizer);
  ParameterRows rows;
  rows.value = value.data();
  rows.rows = each.rows;
  rows.columns = each.columns;
  if (states > 0) rows.state[0] = first.data();
  if (states > 1) rows.state[1] = second.data();
  const auto training = cuda::make_embedding_training(queue, rows, each.optimizer);
  std::vector<std::vector<float>> seen;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::vector<std::int32_t> host_ids = ids_of(each, step);
    const auto n = static_cast<std::int64_t>(host_ids.size());
    const DeviceArray<std::int32_t> ids(host_ids);
    const DeviceArray<float> dy(gradient_of(each, host_ids.size(), step)),
        y(host_ids.size() * static_cast<std::size_t>(each.columns));
    const DeviceArray<double> squares(std::vector<double>{2});
    training->forward(ids.data(), n, y.data());
    training->backward(ids.data(), n, dy.data());
    training->add_gradient_squares(squares.data());
    training->update(static_cast<float>(each.optimizer.learning_rate), step, step % 2 == 0 ? scale.data() : nullptr);
    seen.push_back(y.host());
    seen.push_back({static_cast<float>(squares.host()[0])});
  }
  training->catch_up();
  std::vector<std::vector<float>> result{value.host(), first.host(), second.host()};
  result.insert(result.end(), seen.begin(), seen.end());
  return result;
}

TEST_CASE("cuda embedding training: activations, gradients and updates of every optimizer as on the CPU") {
  for (const OptimizerSpec& optimizer : test::optimizer_specs())
    for (const Case& each :
         {Case{optimizer, 20, 3, 9}, {optimizer, 7, 8, 65}, {optimizer, 1, 1, 1}, {optimizer, 500, 36, 40}}) {
      CAPTURE(static_cast<int>(optimizer.kind));
      CAPTURE(each.rows);
      const auto received = test::same_in_every_order([&] { return on_cuda(each); }), expected = on_cpu(each);
      REQUIRE(received.size() == expected.size());
      for (std::size_t array = 0; array < expected.size(); ++array) {
        CAPTURE(array);
        CHECK(test::largest_error(received[array], expected[array], 1e-2) < 2e-5);
      }
    }
}

TEST_CASE("cuda embedding training: no ids are no gradient") {
  const OptimizerSpec optimizer = test::optimizer_specs()[3];
  cuda::Queue queue(nullptr, 1 << 20);
  const DeviceArray<float> value(random_values(6, 1)), velocity(std::vector<float>(6, 0.0f));
  ParameterRows rows;
  rows.value = value.data();
  rows.state[0] = velocity.data();
  rows.rows = 3;
  rows.columns = 2;
  const auto training = cuda::make_embedding_training(queue, rows, optimizer);
  const DeviceArray<double> squares(std::vector<double>{2});
  training->forward(nullptr, 0, nullptr);
  training->backward(nullptr, 0, nullptr);
  training->add_gradient_squares(squares.data());
  training->update(0.5f, 0, nullptr);
  training->catch_up();
  CHECK(squares.host()[0] == 2.0);
  CHECK(value.host() != random_values(6, 1));  // they rested, and decayed
}

}  // namespace
}  // namespace onelogit
