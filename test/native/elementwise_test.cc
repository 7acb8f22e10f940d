#include <doctest/doctest.h>

#include "backend/backend.h"
#include "backend/cpu/kernels/elementwise.h"
#include "random/philox.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::edge_lengths;
using test::hostile_values;
using test::nan;
using test::random_values;
using test::same;

TEST_CASE("philox4x32 gives the published known answers") {
  // From the reference implementation's test vectors (Random123, kat_vectors: philox4x32 10).
  const PhiloxWords zeros = philox4x32(0, 0, 0);
  CHECK(zeros.word[0] == 0x6627e8d5U);
  CHECK(zeros.word[1] == 0xe169c58dU);
  CHECK(zeros.word[2] == 0xbc57ac4cU);
  CHECK(zeros.word[3] == 0x9b00dbd8U);
  const PhiloxWords ones = philox4x32(~0ULL, ~0ULL, ~0ULL);
  CHECK(ones.word[0] == 0x408f276dU);
  CHECK(ones.word[1] == 0x41c83b0eU);
  CHECK(ones.word[2] == 0xa20bc7c6U);
  CHECK(ones.word[3] == 0x6d5451fdU);
  // counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: the digits of pi
  const PhiloxWords pi = philox4x32(0x299f31d0a4093822ULL, 0x85a308d3243f6a88ULL, 0x0370734413198a2eULL);
  CHECK(pi.word[0] == 0xd16cfe09U);
  CHECK(pi.word[1] == 0x94fdccebU);
  CHECK(pi.word[2] == 0x5001e420U);
  CHECK(pi.word[3] == 0x24126ea1U);
}

TEST_CASE("relu and its gradient at every length, hostile values, in place") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(elementwise_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const auto x = hostile_values(n, 1), dy = hostile_values(n, 2);
      std::vector<float> y(x.size()), dx(x.size());
      kernels.relu(x.data(), y.data(), n);
      kernels.relu_backward(y.data(), dy.data(), dx.data(), n);
      bool good = true;
      for (std::int64_t i = 0; i < n; ++i) {
        good &= same(y[i], x[i] < 0.0f ? 0.0f : x[i]);  // NaN stays NaN
        good &= same(dx[i], y[i] > 0.0f ? dy[i] : 0.0f);
      }
      CHECK(good);
      auto in_place = x;
      kernels.relu(in_place.data(), in_place.data(), n);
      auto gradient_in_place = dy;
      kernels.relu_backward(y.data(), gradient_in_place.data(), gradient_in_place.data(), n);
      for (std::int64_t i = 0; i < n; ++i) good &= same(in_place[i], y[i]) && same(gradient_in_place[i], dx[i]);
      CHECK(good);
    }
  }
}

TEST_CASE("dropout keeps what Philox says, at any cut, in place") {
  const std::uint64_t seed = 0x123456789abcdef0ULL, step = 0x100000001ULL;
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(elementwise_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const auto x = hostile_values(n, 3);
      for (const std::uint32_t threshold : {0U, 0x40000000U, 0xffffffffU}) {
        std::vector<float> expected(x.size()), y = x;
        for (std::int64_t i = 0; i < n; ++i)
          expected[i] = philox4x32(seed, i / 4, step).word[i % 4] >= threshold ? x[i] * 1.25f : 0.0f;
        // Two cuts at places that are no multiples of anything, in place.
        const std::int64_t first = n / 3, second = n / 3 + n / 2;
        kernels.dropout(y.data(), y.data(), 0, first, threshold, 1.25f, seed, step);
        kernels.dropout(y.data(), y.data(), first, second, threshold, 1.25f, seed, step);
        kernels.dropout(y.data(), y.data(), second, n, threshold, 1.25f, seed, step);
        bool good = true;
        for (std::int64_t i = 0; i < n; ++i) good &= same(y[i], expected[i]);
        CHECK(good);
      }
    }
  }
}

TEST_CASE("dropout element indices beyond 32 bits use the counter's second word") {
  const std::int64_t begin = (std::int64_t{1} << 34) + 5, n = 100;
  const std::vector<float> ones(n, 1.0f);
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(elementwise_kernels)) {
    CAPTURE(name);
    std::vector<float> y(n);
    // The kernel indexes from element 0 of the tensor.
    kernels.dropout(ones.data() - begin, y.data() - begin, begin, begin + n, 0x80000000U, 2.0f, 7, 9);
    bool good = true;
    for (std::int64_t i = begin; i < begin + n; ++i)
      good &= y[i - begin] == (philox4x32(7, i / 4, 9).word[i % 4] >= 0x80000000U ? 2.0f : 0.0f);
    CHECK(good);
  }
}

TEST_CASE("dropout drops the asked share and scales the rest to keep the mean") {
  const std::int64_t n = 200'000;
  const std::vector<float> ones(n, 1.0f);
  std::vector<float> y(n);
  for (const float rate : {0.0f, 0.25f, 0.5f, 0.9f}) {
    cpu_backend().dropout(ones.data(), y.data(), n, rate, 11, 3);
    double sum = 0;
    std::int64_t dropped = 0;
    for (const float value : y) {
      sum += value;
      dropped += value == 0.0f;
    }
    // Five standard deviations of a binomial.
    CHECK(std::abs(static_cast<double>(dropped) - rate * n) <= 5 * std::sqrt(n * rate * (1 - rate)));
    CHECK(sum / n == doctest::Approx(1.0).epsilon(0.02));
  }
  cpu_backend().dropout(ones.data(), y.data(), n, 1.0f, 11, 3);
  for (const float value : y) REQUIRE(value == 0.0f);
}

TEST_CASE("rows are filled, scaled and added without touching what is between them") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(elementwise_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const std::int64_t rows = 3, stride = n + 2;
      const auto x = hostile_values(n, 4);
      const auto before = hostile_values(rows * stride, 5);
      for (const int operation : {0, 1, 2, 3}) {
        auto y = before;
        if (operation == 0) kernels.fill_rows(x.data(), y.data(), rows, n, stride);
        if (operation == 1) kernels.scale_rows(-0.5f, y.data(), rows, n, stride);
        if (operation == 2) kernels.scale_rows(0.0f, y.data(), rows, n, stride);
        if (operation == 3) kernels.add(x.data(), y.data(), y.data(), n);
        bool good = true;
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < stride; ++j) {
            float expected = before[i * stride + j];
            if (j < n && operation == 0) expected = x[j];
            if (j < n && operation == 1) expected *= -0.5f;
            if (j < n && operation == 2) expected = 0.0f;
            if (j < n && i == 0 && operation == 3) expected += x[j];
            good &= same(y[i * stride + j], expected);
          }
        CHECK(good);
      }
    }
  }
}

}  // namespace
}  // namespace onelogit
