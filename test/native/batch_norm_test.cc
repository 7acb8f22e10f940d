#include <doctest/doctest.h>

#include "backend/backend.h"
#include "backend/cpu/kernels/batch_norm.h"
#include "random_values.h"
#include "simd_levels.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::random_values;

constexpr float epsilon = 1e-5f, momentum = 0.1f;

struct Case {
  std::int64_t m, features;
  std::vector<float> x, dy, gamma, beta, running_mean, running_variance;

  Case(std::int64_t rows, std::int64_t columns, float offset = 0.5f)
      : m(rows),
        features(columns),
        x(random_values(rows * columns, 1, offset - 1.0f, offset + 1.0f)),
        dy(random_values(rows * columns, 2)),
        gamma(random_values(columns, 3)),
        beta(random_values(columns, 4)),
        running_mean(random_values(columns, 5)),
        running_variance(random_values(columns, 6, 0.5f, 2.0f)) {}
};

struct Reference {
  std::vector<double> y, dx, mean, inverse, running_mean, running_variance, dgamma, dbeta;
};

// Ioffe and Szegedy's formulas as they stand, in float64.
Reference reference(const Case& c) {
  Reference r;
  const double m = static_cast<double>(c.m);
  r.y.resize(c.x.size());
  r.dx.resize(c.x.size());
  for (std::int64_t j = 0; j < c.features; ++j) {
    double mean = 0, variance = 0, dgamma = 0, dbeta = 0;
    for (std::int64_t i = 0; i < c.m; ++i) mean += c.x[i * c.features + j] / m;
    for (std::int64_t i = 0; i < c.m; ++i) variance += std::pow(c.x[i * c.features + j] - mean, 2) / m;
    const double inverse = 1.0 / std::sqrt(variance + static_cast<double>(epsilon));
    for (std::int64_t i = 0; i < c.m; ++i) {
      const double xhat = (c.x[i * c.features + j] - mean) * inverse, dy = c.dy[i * c.features + j];
      r.y[i * c.features + j] = c.gamma[j] * xhat + c.beta[j];
      dgamma += dy * xhat;
      dbeta += dy;
    }
    for (std::int64_t i = 0; i < c.m; ++i) {
      const double xhat = (c.x[i * c.features + j] - mean) * inverse, dy = c.dy[i * c.features + j];
      r.dx[i * c.features + j] = c.gamma[j] * inverse * (dy - dbeta / m - xhat * dgamma / m);
    }
    r.mean.push_back(mean);
    r.inverse.push_back(inverse);
    r.running_mean.push_back(c.running_mean[j] + static_cast<double>(momentum) * (mean - c.running_mean[j]));
    const double unbiased = c.m > 1 ? variance * m / (m - 1) : variance;
    r.running_variance.push_back(c.running_variance[j] +
                                 static_cast<double>(momentum) * (unbiased - c.running_variance[j]));
    r.dgamma.push_back(dgamma);
    r.dbeta.push_back(dbeta);
  }
  return r;
}

std::int64_t different(const std::vector<float>& received, const std::vector<double>& expected, double relative,
                       double absolute) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) count += !close(received[i], expected[i], relative, absolute);
  return count;
}

std::vector<std::pair<std::int64_t, std::int64_t>> shapes() {
  std::vector<std::pair<std::int64_t, std::int64_t>> result{{1, 1},  {1, 20},  {2, 5},    {3, 16},
                                                            {7, 33}, {65, 17}, {128, 70}, {200, 3}};
  if (!test::small_run()) result.insert(result.end(), {{128, 500}, {5000, 9}, {31, 257}});
  return result;
}

TEST_CASE("batch normalisation in training: output, statistics and gradients equal the formulas in float64") {
  for (const auto& [m, features] : shapes()) {
    const Case c(m, features);
    const Reference expected = reference(c);
    for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(batch_norm_kernels)) {
      CAPTURE(name);
      CAPTURE(m);
      CAPTURE(features);
      auto running_mean = c.running_mean, running_variance = c.running_variance;
      std::vector<float> mean(features), inverse(features), y(c.x.size()), dgamma(features), dbeta(features);
      const BatchNormTraining training{
          c.x.data(),  c.gamma.data(), c.beta.data(), epsilon, momentum, running_mean.data(), running_variance.data(),
          mean.data(), inverse.data(), y.data(),      m,       features};
      // In two cuts, as two threads would.
      const std::int64_t cut = features / 32 * 16;
      kernels.training(training, 0, cut);
      kernels.training(training, cut, features);
      CHECK(different(mean, expected.mean, 1e-6, 1e-6) == 0);
      CHECK(different(inverse, expected.inverse, 1e-5, 0) == 0);
      CHECK(different(running_mean, expected.running_mean, 1e-6, 1e-6) == 0);
      CHECK(different(running_variance, expected.running_variance, 1e-6, 1e-6) == 0);
      // With one example the deviation is 0 and 1/√ε multiplies what rounding left: everything is relative to that.
      const double scale = m == 1 ? 1e-4 : 1e-5;
      CHECK(different(y, expected.y, 1e-5, scale) == 0);
      auto dx = c.dy;  // in place
      const BatchNormBackward backward{c.x.data(), dx.data(),     c.gamma.data(), mean.data(), inverse.data(),
                                       dx.data(),  dgamma.data(), dbeta.data(),   m,           features};
      kernels.backward(backward, 0, cut);
      kernels.backward(backward, cut, features);
      const double terms = std::sqrt(static_cast<double>(m));
      CHECK(different(dgamma, expected.dgamma, 1e-5, 1e-5 * terms) == 0);
      CHECK(different(dbeta, expected.dbeta, 1e-5, 1e-6 * terms) == 0);
      CHECK(different(dx, expected.dx, 1e-5, m == 1 ? 1e-2 : 2e-5) == 0);
    }
  }
}

TEST_CASE("batch normalisation keeps its accuracy over many examples and far from zero") {
  const Case c(test::small_run() ? 5000 : 100'000, 3, 50.0f);
  const Reference expected = reference(c);
  std::vector<float> mean(3), inverse(3), y(c.x.size());
  auto running_mean = c.running_mean, running_variance = c.running_variance;
  cpu_backend().batch_norm_forward_training(c.x.data(), c.gamma.data(), c.beta.data(), epsilon, momentum,
                                            running_mean.data(), running_variance.data(), mean.data(), inverse.data(),
                                            y.data(), c.m, c.features);
  CHECK(different(mean, expected.mean, 1e-6, 0) == 0);
  CHECK(different(inverse, expected.inverse, 1e-5, 0) == 0);
  CHECK(different(y, expected.y, 1e-4, 2e-5) == 0);
}

TEST_CASE("batch normalisation at inference uses the running statistics, also in place") {
  for (const auto& [m, features] : shapes()) {
    const Case c(m, features);
    for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(batch_norm_kernels)) {
      CAPTURE(name);
      auto y = c.x;
      const BatchNormInference pass{
          y.data(), c.gamma.data(), c.beta.data(), epsilon, c.running_mean.data(), c.running_variance.data(), y.data(),
          m,        features};
      kernels.inference(pass, 0, m / 2);
      kernels.inference(pass, m / 2, m);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < features; ++j)
          wrong += !close(y[i * features + j],
                          c.gamma[j] * (static_cast<double>(c.x[i * features + j]) - c.running_mean[j]) /
                                  std::sqrt(static_cast<double>(c.running_variance[j]) + epsilon) +
                              c.beta[j],
                          1e-5, 1e-6);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a NaN in one feature stays in that feature") {
  Case c(64, 40);
  c.x[5 * 40 + 17] = nan;
  std::vector<float> mean(40), inverse(40), y(c.x.size());
  cpu_backend().batch_norm_forward_training(c.x.data(), c.gamma.data(), c.beta.data(), epsilon, momentum,
                                            c.running_mean.data(), c.running_variance.data(), mean.data(),
                                            inverse.data(), y.data(), c.m, c.features);
  for (std::int64_t i = 0; i < c.m; ++i)
    for (std::int64_t j = 0; j < c.features; ++j) REQUIRE(std::isnan(y[i * 40 + j]) == (j == 17));
}

}  // namespace
}  // namespace onelogit
