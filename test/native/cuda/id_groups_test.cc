#include "backend/cuda/id_groups.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>

#include "backend/cuda/square_sum.h"
#include "device_array.h"
#include "distance.h"
#include "error.h"
#include "random_values.h"
#include "same_bits.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

std::vector<std::int32_t> ids_of(std::int64_t n, std::int32_t different, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
  // Half of them the same one, as padding is.
  for (std::int32_t& id : ids)
    id =
        static_cast<std::int32_t>(random() % 2 == 0 ? different / 2 : random() % static_cast<std::uint32_t>(different));
  return ids;
}

std::vector<std::int64_t> lengths() {
  std::vector<std::int64_t> all{1, 2, 3, 31, 64, 257, 2048, 2049};
  if (!test::small_run()) all.insert(all.end(), {4097, 9000});
  return all;
}

TEST_CASE("cuda groups: the different ids in order, and where each of them is") {
  for (const std::int64_t n : lengths())
    for (const std::int32_t different : {1, 5, 3000, 2'000'000'000}) {
      CAPTURE(n);
      CAPTURE(different);
      const std::vector<std::int32_t> ids = ids_of(n, different, 1);
      std::map<std::int32_t, std::vector<std::int32_t>> positions;
      for (std::int32_t at = 0; at < n; ++at) positions[ids[static_cast<std::size_t>(at)]].push_back(at);
      std::vector<std::int32_t> expected_ids, expected_first, expected_positions;
      for (const auto& [id, at] : positions) {
        expected_ids.push_back(id);
        expected_first.push_back(static_cast<std::int32_t>(expected_positions.size()));
        expected_positions.insert(expected_positions.end(), at.begin(), at.end());
      }
      expected_first.push_back(static_cast<std::int32_t>(n));

      const auto received = test::same_in_every_order([&] {
        cuda::IdGroups finder(n + 5, different);
        const DeviceArray<std::int32_t> device_ids(ids), others(ids_of(n + 5, different, 2));
        finder.find(nullptr, others.data(), n + 5);  // what was there before does not matter
        const cuda::Groups groups = finder.find(nullptr, device_ids.data(), n);
        CHECK(groups.most == std::min<std::int64_t>(n, different));
        const auto host = [](const std::int32_t* from, std::size_t size) {
          std::vector<std::int32_t> values(size);
          cuda::check(
              cudaMemcpyAsync(values.data(), from, size * sizeof(std::int32_t), cudaMemcpyDeviceToHost, nullptr),
              "a test");
          return values;
        };
        const auto count = static_cast<std::size_t>(host(groups.count, 1)[0]);
        REQUIRE(count == expected_ids.size());
        return std::vector<std::vector<std::int32_t>>{host(groups.ids, count), host(groups.first, count + 1),
                                                      host(groups.positions, static_cast<std::size_t>(n))};
      });
      CHECK(received[0] == expected_ids);
      CHECK(received[1] == expected_first);
      CHECK(received[2] == expected_positions);
    }
}

TEST_CASE("cuda groups: a list that is too long for its positions is an error, however much memory there is") {
  std::string code;
  try {
    cuda::IdGroups(std::int64_t{1} << 31, 5);
  } catch (const Error& error) {
    code = error.code();
  }
  CHECK(code == "ERR_ONELOGIT_RANGE");
}

TEST_CASE("cuda groups: sums of rows that are stored, and of coefficients times hidden rows") {
  struct Shape {
    std::int64_t stored, examples, per_example, columns;
    std::int32_t different;
  };
  for (const Shape shape :
       {Shape{7, 0, 0, 3, 4}, {0, 5, 3, 8, 6}, {9, 4, 0, 68, 5}, {0, 4, 2, 1, 3}, {300, 3, 1, 33, 40}})
    for (const bool ones : {false, true}) {
      const std::int64_t d = ones ? 1 : shape.columns, examples = shape.examples == 0 ? 0 : shape.examples;
      const std::int64_t products = examples * (shape.per_example + 1), n = shape.stored + products;
      const std::vector<std::int32_t> ids = ids_of(n, shape.different, 3);
      // Products of few bits are exact: the same sums whether or not a multiplication is fused with its addition.
      const auto of_few_bits = [](std::vector<float> values) {
        for (float& value : values) value = std::round(value * 64.0f) / 64.0f;
        return values;
      };
      const std::vector<float> rows = random_values(shape.stored * d, 4),
                               coefficient = of_few_bits(random_values(products, 5)),
                               hidden = of_few_bits(random_values(examples * d, 6));
      std::map<std::int32_t, std::vector<float>> sums;
      for (std::int64_t at = 0; at < n; ++at) {
        std::vector<float>& sum = sums[ids[static_cast<std::size_t>(at)]];
        sum.resize(static_cast<std::size_t>(d));
        for (std::int64_t f = 0; f < d; ++f) {
          if (at < shape.stored) {
            sum[f] += rows[at * d + f];
            continue;
          }
          const std::int64_t q = at - shape.stored, drawn = examples * shape.per_example;
          const std::int64_t i = q < drawn ? q / shape.per_example : q - drawn;
          sum[f] += coefficient[q] * (ones ? 1.0f : hidden[i * d + f]);
        }
      }
      std::vector<float> expected;
      double squares = 0.5;
      for (const auto& [id, sum] : sums) expected.insert(expected.end(), sum.begin(), sum.end());
      for (const float x : expected) squares += static_cast<double>(x) * static_cast<double>(x);

      const auto received = test::same_in_every_order([&] {
        cuda::IdGroups finder(n, shape.different);
        const DeviceArray<std::int32_t> device_ids(ids);
        const DeviceArray<float> device_rows(rows), device_coefficient(coefficient), device_hidden(hidden),
            result(static_cast<std::size_t>(std::min<std::int64_t>(n, shape.different) * d));
        const cuda::Groups groups = finder.find(nullptr, device_ids.data(), n);
        cuda::sum_groups(nullptr, groups,
                         {d, device_rows.data(), shape.stored, device_coefficient.data(),
                          ones ? nullptr : device_hidden.data(), examples, shape.per_example},
                         result.data());
        const DeviceArray<double> partial(static_cast<std::size_t>(cuda::most_square_partials)),
            device_squares(std::vector<double>{0.5});
        cuda::add_squares(nullptr, result.data(), groups.count, groups.most, d, partial.data(), device_squares.data());
        CHECK(device_squares.host()[0] == doctest::Approx(squares).epsilon(1e-6));
        std::vector<float> sums_of_groups = result.host();
        sums_of_groups.resize(expected.size());
        return std::vector<std::vector<float>>{sums_of_groups};
      });
      CHECK(received[0] == expected);  // the same additions in the same order
    }
}

}  // namespace
}  // namespace onelogit
