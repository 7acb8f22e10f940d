#include "backend/cpu/kernels/bfloat16.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "random_values.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

TEST_CASE("bfloat16 kernels: to float32 is exact for all 65,536 values") {
  std::vector<std::uint16_t> all(65536);
  for (std::size_t n = 0; n < all.size(); ++n) all[n] = static_cast<std::uint16_t>(n);
  std::vector<float> values(all.size());
  bfloat16_kernels().to_float32(all.data(), 65535, values.data());  // not a multiple of any vector
  for (std::size_t n = 0; n + 1 < all.size(); ++n) {
    const float expected = bfloat16_to_float32(all[n]);
    const bool same = std::isnan(expected) ? std::isnan(values[n]) : values[n] == expected;
    if (!same) FAIL_CHECK(n);
  }
  CHECK(values.back() == 0.0f);
}

TEST_CASE("bfloat16 kernels: stochastic rounding goes to a neighbour, and is right on average") {
  for (const std::int64_t columns : test::edge_lengths) {
    const std::int64_t rows = 3;
    std::vector<float> values = test::random_values(rows * columns, 1, -4.0f, 4.0f);
    std::vector<double> sum(values.size(), 0.0);
    std::vector<std::uint16_t> rounded(values.size() + 1, 0xabcd);
    constexpr int draws = 2000;
    for (int draw = 0; draw < draws; ++draw) {
      bfloat16_kernels().round_stochastic(values.data(), rows, columns, static_cast<std::uint64_t>(draw), 5,
                                          rounded.data());
      for (std::size_t n = 0; n < values.size(); ++n) {
        const float result = bfloat16_to_float32(rounded[n]);
        const float below =
            bfloat16_to_float32(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(values[n]) >> 16));
        if (std::abs(result - below) > std::abs(below) / 128) FAIL_CHECK(values[n]);
        sum[n] += static_cast<double>(result);
      }
    }
    CHECK(rounded.back() == 0xabcd);
    for (std::size_t n = 0; n < values.size(); ++n) {
      // A unit in the last place is at most 1/128 of the value: the mean of the draws is known to that over √draws.
      const double unit = std::abs(static_cast<double>(values[n])) / 128;
      CHECK(std::abs(sum[n] / draws - static_cast<double>(values[n])) < 5 * 0.5 * unit / std::sqrt(draws));
    }
  }
}

TEST_CASE("bfloat16 kernels: what bfloat16 holds is not touched, NaN and infinity stay what they are") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values{0.0f,
                            -0.0f,
                            1.0f,
                            -2.5f,
                            infinity,
                            -infinity,
                            nan,
                            -nan,
                            std::bit_cast<float>(0x7fffffffU),
                            std::bit_cast<float>(0x7f800001U),
                            std::bit_cast<float>(0xffffffffU),
                            0x1p-126f};
  while (values.size() < 40) values.push_back(0.5f);
  std::vector<std::uint16_t> rounded(values.size());
  for (std::uint64_t key = 0; key < 500; ++key) {
    bfloat16_kernels().round_stochastic(values.data(), 1, static_cast<std::int64_t>(values.size()), key, 0,
                                        rounded.data());
    for (std::size_t n = 0; n < values.size(); ++n) {
      const float result = bfloat16_to_float32(rounded[n]);
      if (!(std::isnan(values[n]) ? std::isnan(result) : test::same(result, values[n]))) FAIL_CHECK(n);
    }
  }
}

TEST_CASE("bfloat16 kernels: a row's bits do not depend on which rows are rounded together") {
  const std::vector<float> values = test::random_values(6 * 37, 3);
  std::vector<std::uint16_t> together(values.size()), apart(values.size());
  bfloat16_kernels().round_stochastic(values.data(), 6, 37, 9, 100, together.data());
  for (std::int64_t row = 0; row < 6; ++row)
    bfloat16_kernels().round_stochastic(values.data() + row * 37, 1, 37, 9, 100 + row, apart.data() + row * 37);
  CHECK(together == apart);
}

}  // namespace
}  // namespace onelogit
