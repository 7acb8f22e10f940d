#include <doctest/doctest.h>

#include <algorithm>

#include "backend/backend.h"
#include "random_values.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::edge_lengths;
using test::hostile_values;
using test::random_values;
using test::same;

TEST_CASE("add: every length, hostile values, in place of either") {
  Backend& backend = cpu_backend();
  std::vector<std::int64_t> lengths(std::begin(edge_lengths), std::end(edge_lengths));
  lengths.push_back(test::small_run() ? 70'000 : 1'000'003);  // cut between threads
  for (const std::int64_t n : lengths) {
    CAPTURE(n);
    const auto a = hostile_values(n, 1), b = hostile_values(n, 2);
    std::vector<float> expected(a.size()), y(a.size()), in_a = a, in_b = b, twice = a;
    for (std::size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i];
    backend.add(a.data(), b.data(), y.data(), n);
    backend.add(in_a.data(), b.data(), in_a.data(), n);
    backend.add(a.data(), in_b.data(), in_b.data(), n);
    backend.add(twice.data(), twice.data(), twice.data(), n);
    CHECK(std::equal(y.begin(), y.end(), expected.begin(), same));
    CHECK(std::equal(in_a.begin(), in_a.end(), expected.begin(), same));
    CHECK(std::equal(in_b.begin(), in_b.end(), expected.begin(), same));
    bool doubled = true;
    for (std::size_t i = 0; i < a.size(); ++i) doubled &= same(twice[i], a[i] + a[i]);
    CHECK(doubled);
  }
}

TEST_CASE("copy_columns copies its columns and leaves what is between them") {
  for (const auto& [rows, columns, ldx, ldy] : {std::array<std::int64_t, 4>{0, 3, 3, 3},
                                                {1, 1, 1, 1},
                                                {5, 3, 3, 3},
                                                {7, 1, 4, 2},
                                                {4, 20, 20, 33},
                                                {3, 17, 40, 17},
                                                {2000, 30, 64, 31}}) {
    CAPTURE(rows);
    CAPTURE(columns);
    const auto x = hostile_values(std::max<std::int64_t>(rows - 1, 0) * ldx + columns, 3);
    const auto before = random_values(std::max<std::int64_t>(rows - 1, 0) * ldy + columns, 4);
    auto y = before;
    cpu_backend().copy_columns(x.data(), ldx, y.data(), ldy, rows, columns);
    bool good = true;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto row = static_cast<std::int64_t>(i) / ldy, column = static_cast<std::int64_t>(i) % ldy;
      good &= same(y[i], row < rows && column < columns ? x[row * ldx + column] : before[i]);
    }
    CHECK(good);
  }
}

// y by its definition.
std::vector<float> placed(const std::vector<float>& x, std::int64_t height, std::int64_t width, std::int64_t out_height,
                          std::int64_t out_width, std::int64_t channels, std::int64_t top, std::int64_t left,
                          std::int64_t m) {
  std::vector<float> y;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t row = -top; row < out_height - top; ++row)
      for (std::int64_t column = -left; column < out_width - left; ++column)
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool inside = row >= 0 && row < height && column >= 0 && column < width;
          y.push_back(inside ? x[((i * height + row) * width + column) * channels + c] : 0.0f);
        }
  return y;
}

TEST_CASE("place_images: in zeros, cropped, and back again") {
  std::mt19937 engine(5);
  const auto one_of = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  for (int trial = 0; trial < (test::small_run() ? 60 : 400); ++trial) {
    const std::int64_t m = one_of(0, 3), height = one_of(1, 7), width = one_of(1, 7), channels = one_of(1, 9),
                       out_height = one_of(1, 9), out_width = one_of(1, 9), top = one_of(-8, 9), left = one_of(-8, 9);
    CAPTURE(trial);
    const auto x = hostile_values(m * height * width * channels, static_cast<std::uint32_t>(trial));
    const auto expected = placed(x, height, width, out_height, out_width, channels, top, left, m);
    std::vector<float> y(expected.size(), 7.0f);
    cpu_backend().place_images(x.data(), height, width, y.data(), out_height, out_width, channels, top, left, m);
    CHECK(std::equal(y.begin(), y.end(), expected.begin(), same));
    // The adjoint: Σ y · place(x) = Σ place back(y) · x.
    const auto values = random_values(static_cast<std::int64_t>(x.size()), 6),
               weights = random_values(static_cast<std::int64_t>(y.size()), 7);
    std::vector<float> back(x.size(), 7.0f);
    cpu_backend().place_images(values.data(), height, width, y.data(), out_height, out_width, channels, top, left, m);
    cpu_backend().place_images(weights.data(), out_height, out_width, back.data(), height, width, channels, -top, -left,
                               m);
    double there = 0, here = 0;
    for (std::size_t i = 0; i < y.size(); ++i) there += static_cast<double>(y[i]) * static_cast<double>(weights[i]);
    for (std::size_t i = 0; i < x.size(); ++i) here += static_cast<double>(back[i]) * static_cast<double>(values[i]);
    CHECK(there == doctest::Approx(here).epsilon(1e-9));
  }
}

}  // namespace
}  // namespace onelogit
