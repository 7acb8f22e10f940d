#include <doctest/doctest.h>

#include <algorithm>

#include "backend/backend.h"
#include "backend/cpu/kernels/softmax.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::close;
using test::infinity;
using test::nan;
using test::random_values;

std::vector<double> softmax(const float* x, std::int64_t n) {
  std::vector<double> y(n);
  double largest = -infinity, total = 0;
  for (std::int64_t j = 0; j < n; ++j) largest = std::isnan(x[j]) ? nan : std::max(largest, static_cast<double>(x[j]));
  for (std::int64_t j = 0; j < n; ++j) total += y[j] = std::exp(static_cast<double>(x[j]) - largest);
  for (double& value : y) value /= total;
  return y;
}

TEST_CASE("softmax and its gradient over row lengths, in place, with logits of ±1e4") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(softmax_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : test::edge_lengths) {
      CAPTURE(n);
      const std::int64_t m = 3;
      auto x = random_values(m * n, 7, -20.0f, 20.0f);
      if (n > 2) {
        x[n + 1] = 1e4f;       // all of row 1's mass
        x[2 * n] = -1e4f;      // none of row 2's
        x[2 * n + 1] = 88.0f;  // near the largest exponent
      }
      auto y = x;
      kernels.forward(y.data(), y.data(), m, n);
      const auto dy = random_values(m * n, 8);
      auto dx = dy;
      kernels.backward(y.data(), dx.data(), dx.data(), m, n);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < m; ++i) {
        const auto expected = softmax(x.data() + i * n, n);
        double mean = 0;
        for (std::int64_t j = 0; j < n; ++j) mean += static_cast<double>(y[i * n + j]) * dy[i * n + j];
        for (std::int64_t j = 0; j < n; ++j) {
          wrong += !close(y[i * n + j], expected[j], 4e-6, 1e-37);
          wrong += !close(dx[i * n + j], y[i * n + j] * (dy[i * n + j] - mean), 1e-5, 1e-6);
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("softmax of rows with NaN or infinity") {
  const std::int64_t n = 20;
  auto x = random_values(4 * n, 9);
  x[3] = nan;
  x[n + 5] = infinity;
  x[2 * n + 19] = -infinity;
  std::vector<float> y(x.size());
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(softmax_kernels)) {
    CAPTURE(name);
    kernels.forward(x.data(), y.data(), 4, n);
    for (std::int64_t j = 0; j < n; ++j) CHECK(std::isnan(y[j]));
    CHECK(std::isnan(y[n + 5]));  // ∞ − ∞, as everywhere
    CHECK(y[2 * n + 19] == 0.0f);
    double rest = 0;
    for (std::int64_t j = 0; j < n; ++j) rest += y[3 * n + j];
    CHECK(rest == doctest::Approx(1.0).epsilon(1e-6));
  }
}

}  // namespace
}  // namespace onelogit
