#include "backend/cuda/dense.h"

#include <doctest/doctest.h>

#include "device_array.h"
#include "random_values.h"
#include "same_bits.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

const std::vector<std::pair<std::int64_t, std::int64_t>> shapes = {{1, 1},   {1, 257},  {3, 4},   {257, 1}, {31, 33},
                                                                   {33, 32}, {600, 10}, {32, 31}, {2, 2056}};

TEST_CASE("cuda dense: the bias is added to every row") {
  for (const auto& [m, outputs] : shapes) {
    CAPTURE(m);
    CAPTURE(outputs);
    const std::vector<float> y = test::hostile_values(m * outputs, 1), bias = random_values(outputs, 2);
    const auto received = test::same_in_every_order([&] {
      DeviceArray<float> device_y(y), device_bias(bias);
      cuda::add_bias(nullptr, device_bias.data(), device_y.data(), m, outputs);
      return std::vector<std::vector<float>>{device_y.host()};
    });
    std::vector<float> expected = y;
    for (std::size_t i = 0; i < y.size(); ++i) expected[i] += bias[i % bias.size()];
    CHECK(test::largest_error(received[0], expected, 0.0) == 0.0);
  }
}

TEST_CASE("cuda dense: sums of columns") {
  cuda::ColumnScratch scratch;
  auto with_parts = shapes;  // of their rows
  for (const auto& tall : {std::pair<std::int64_t, std::int64_t>{2048, 3}, {3100, 33}, {7001, 8}})
    with_parts.push_back(tall);
  for (const auto& [m, outputs] : with_parts) {
    CAPTURE(m);
    CAPTURE(outputs);
    const std::vector<float> dy = random_values(m * outputs, 3);
    const auto received = test::same_in_every_order([&] {
      DeviceArray<float> device_dy(dy), sums(static_cast<std::size_t>(outputs));
      cuda::column_sums(nullptr, scratch, device_dy.data(), sums.data(), m, outputs);
      return std::vector<std::vector<float>>{sums.host()};
    });
    std::vector<double> expected(static_cast<std::size_t>(outputs));
    for (std::size_t i = 0; i < dy.size(); ++i) expected[i % expected.size()] += static_cast<double>(dy[i]);
    CHECK(test::largest_error(received[0], expected, 1.0) < 1e-5);
  }
  DeviceArray<float> sums(3);
  cuda::column_sums(nullptr, scratch, nullptr, sums.data(), 0, 3);
  CHECK(sums.host() == std::vector<float>(3, 0.0f));
}

TEST_CASE("cuda dense: bfloat16 to float32 is exact, from any address") {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  DeviceArray<std::uint16_t> from(halves);
  for (const std::size_t skipped : {0u, 1u, 65535u, 65536u - 31u, 65536u}) {
    DeviceArray<float> to(halves.size() - skipped);
    cuda::bfloat16_to_float32(nullptr, from.data() + skipped, to.data(),
                              static_cast<std::int64_t>(halves.size() - skipped));
    const std::vector<float> received = to.host();
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < received.size(); ++i)
      wrong += !test::same(received[i], bfloat16_to_float32(halves[skipped + i]));
    CHECK(wrong == 0);
  }
}

TEST_CASE("cuda dense: float32 to bfloat16 rounds to nearest, ties to even") {
  for (const std::int64_t size : {1, 3, 4, 31, 32, 33, 257, 5000}) {
    std::vector<float> values = test::hostile_values(size, 4);
    if (size == 5000) {
      values[0] = 1.00390625f;    // halfway between 1 and 1.0078125: down to the even one
      values[1] = 1.01171875f;    // halfway: up to the even one
      values[2] = 3.3999999e38f;  // nearest is infinity
    }
    DeviceArray<float> from(values);
    DeviceArray<std::uint16_t> to(static_cast<std::size_t>(size));
    cuda::float32_to_bfloat16(nullptr, from.data(), to.data(), size);
    const std::vector<std::uint16_t> received = to.host();
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < received.size(); ++i) wrong += received[i] != float32_to_bfloat16(values[i]);
    CHECK(wrong == 0);
    if (size == 5000) {
      CHECK(received[0] == 0x3f80);
      CHECK(received[1] == 0x3f82);
      CHECK(received[2] == 0x7f80);
    }
  }
}

TEST_CASE("cuda dense: rows with gaps to bfloat16 without") {
  for (const std::int64_t columns : {1, 3, 32, 257})
    for (const std::int64_t rows : {0, 1, 5, 300})
      for (const std::int64_t gap : {0, 3}) {
        const std::int64_t stride = columns + gap;
        const std::vector<float> values = test::hostile_values(std::max<std::int64_t>(rows * stride, 1), 5);
        DeviceArray<float> from(values);
        DeviceArray<std::uint16_t> to(std::vector<std::uint16_t>(static_cast<std::size_t>(rows * columns + 1), 7));
        cuda::rows_to_bfloat16(nullptr, from.data(), stride, to.data(), rows, columns);
        const std::vector<std::uint16_t> received = to.host();
        std::int64_t wrong = received.back() != 7;
        for (std::int64_t row = 0; row < rows; ++row)
          for (std::int64_t column = 0; column < columns; ++column)
            wrong += received[static_cast<std::size_t>(row * columns + column)] !=
                     float32_to_bfloat16(values[static_cast<std::size_t>(row * stride + column)]);
        CHECK(wrong == 0);
      }
}

}  // namespace
}  // namespace onelogit
