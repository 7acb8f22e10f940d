#include "backend/cuda/batch_norm.h"

#include <doctest/doctest.h>

#include "backend/backend.h"
#include "device_array.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::largest_error;
using test::random_values;

constexpr float epsilon = 1e-5f, momentum = 0.1f;

struct Case {
  std::int64_t m, features;
  std::vector<float> x, dy, gamma, beta, running_mean, running_variance;

  // Every feature has a mean of its own, up to `offset`, and values up to `spread` from it.
  Case(std::int64_t rows, std::int64_t columns, float offset = 0.5f, float spread = 1.0f)
      : m(rows),
        features(columns),
        x(random_values(rows * columns, 1, -spread, spread)),
        dy(random_values(rows * columns, 2)),
        gamma(random_values(columns, 3)),
        beta(random_values(columns, 4)),
        running_mean(random_values(columns, 5)),
        running_variance(random_values(columns, 6, 0.5f, 2.0f)) {
    const std::vector<float> means = random_values(columns, 7, 0.5f * offset, offset);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += means[i % means.size()];
  }
};

enum Output { y, mean, inverse, running_mean, running_variance, dx, dgamma, dbeta, inference };
using Outputs = std::vector<std::vector<float>>;

Outputs on_cuda(const Case& c, bool in_place = false) {
  const auto size = static_cast<std::size_t>(c.features);
  DeviceArray<float> of_x(c.x), of_dy(c.dy), of_gamma(c.gamma), of_beta(c.beta), of_running_mean(c.running_mean),
      of_running_variance(c.running_variance), of_y(c.x.size()), of_mean(size), of_inverse(size), of_dx(c.x.size()),
      of_dgamma(size), of_dbeta(size), of_inference(c.x.size());
  cuda::batch_norm_forward_inference(nullptr, of_x.data(), of_gamma.data(), of_beta.data(), epsilon,
                                     of_running_mean.data(), of_running_variance.data(), of_inference.data(), c.m,
                                     c.features);
  cuda::ColumnScratch scratch;
  cuda::batch_norm_forward_training(nullptr, scratch, of_x.data(), of_gamma.data(), of_beta.data(), epsilon, momentum,
                                    of_running_mean.data(), of_running_variance.data(), of_mean.data(),
                                    of_inverse.data(), of_y.data(), c.m, c.features);
  DeviceArray<float>& out = in_place ? of_dy : of_dx;
  cuda::batch_norm_backward(nullptr, scratch, of_x.data(), of_dy.data(), of_gamma.data(), of_mean.data(),
                            of_inverse.data(), out.data(), of_dgamma.data(), of_dbeta.data(), c.m, c.features);
  return {of_y.host(), of_mean.host(),   of_inverse.host(), of_running_mean.host(), of_running_variance.host(),
          out.host(),  of_dgamma.host(), of_dbeta.host(),   of_inference.host()};
}

Outputs on_cpu(const Case& c) {
  Backend& cpu = cpu_backend();
  const auto size = static_cast<std::size_t>(c.features);
  Outputs out(9, std::vector<float>(c.x.size()));
  for (const Output o : {mean, inverse, dgamma, dbeta}) out[o].assign(size, 0.0f);
  out[running_mean] = c.running_mean;
  out[running_variance] = c.running_variance;
  cpu.batch_norm_forward_inference(c.x.data(), c.gamma.data(), c.beta.data(), epsilon, c.running_mean.data(),
                                   c.running_variance.data(), out[inference].data(), c.m, c.features);
  cpu.batch_norm_forward_training(c.x.data(), c.gamma.data(), c.beta.data(), epsilon, momentum,
                                  out[running_mean].data(), out[running_variance].data(), out[mean].data(),
                                  out[inverse].data(), out[y].data(), c.m, c.features);
  cpu.batch_norm_backward(c.x.data(), c.dy.data(), c.gamma.data(), out[mean].data(), out[inverse].data(),
                          out[dx].data(), out[dgamma].data(), out[dbeta].data(), c.m, c.features);
  return out;
}

const std::vector<std::pair<std::int64_t, std::int64_t>> shapes = {{1, 1},
                                                                   {1, 33},
                                                                   {2, 5},
                                                                   {3, 4},
                                                                   {31, 1},
                                                                   {32, 31},
                                                                   {33, 32},
                                                                   {257, 9},
                                                                   {600, 3},
                                                                   {5, 257},
                                                                   {3, 2050},
                                                                   // In parts of their rows.
                                                                   {2047, 4},
                                                                   {2048, 4},
                                                                   {3073, 9},
                                                                   {5000, 1},
                                                                   {9001, 12},
                                                                   {2500, 40}};

TEST_CASE("cuda batch norm: as on the CPU, the same bits in every order") {
  for (const auto& [m, features] : shapes) {
    CAPTURE(m);
    CAPTURE(features);
    const Case c(m, features);
    const Outputs received = test::same_in_every_order([&] { return on_cuda(c); }), expected = on_cpu(c);
    for (const Output o : {mean, inverse, running_mean, running_variance, dgamma, dbeta, y, dx, inference}) {
      CAPTURE(o);
      CHECK(largest_error(received[o], expected[o], 1.0) < (o == inference ? 1e-5 : 1e-4));
    }
  }
}

TEST_CASE("cuda batch norm: dx may be dy") {
  for (const std::int64_t m : {70, 4100}) {
    const Case c(m, 37);
    CHECK(test::same_in_every_order([&] { return on_cuda(c, true); }) == on_cuda(c));
  }
}

TEST_CASE("cuda batch norm: means that are large beside what varies cancel nothing") {
  for (const auto& [m, offset] : {std::pair{300, 1e3f}, {300, 1e5f}, {300, -1e6f}, {3300, 1e5f}}) {
    CAPTURE(m);
    CAPTURE(offset);
    const Case c(m, 17, offset);
    const Outputs received = on_cuda(c), by_cpu = on_cpu(c);
    std::vector<double> of_mean, of_inverse, of_y(c.x.size());
    for (std::int64_t j = 0; j < c.features; ++j) {
      const auto at = [&](std::int64_t i) { return static_cast<std::size_t>(i * c.features + j); };
      double average = 0, variance = 0;
      for (std::int64_t i = 0; i < c.m; ++i) average += static_cast<double>(c.x[at(i)]) / static_cast<double>(c.m);
      for (std::int64_t i = 0; i < c.m; ++i)
        variance += std::pow(static_cast<double>(c.x[at(i)]) - average, 2) / static_cast<double>(c.m);
      of_mean.push_back(average);
      of_inverse.push_back(1.0 / std::sqrt(variance + static_cast<double>(epsilon)));
      const auto column = static_cast<std::size_t>(j);
      for (std::int64_t i = 0; i < c.m; ++i)
        of_y[at(i)] =
            (static_cast<double>(c.x[at(i)]) - average) * of_inverse.back() * static_cast<double>(c.gamma[column]) +
            static_cast<double>(c.beta[column]);
    }
    CHECK(largest_error(received[mean], of_mean, 1.0) < 1e-7);
    CHECK(largest_error(received[inverse], of_inverse, 1.0) < 1e-6);
    CHECK(largest_error(received[y], of_y, 1.0) < 1e-6);
    CHECK(largest_error(received[dx], by_cpu[dx], 1.0) < 1e-4);
    CHECK(largest_error(received[dgamma], by_cpu[dgamma], 1.0) < 1e-4);
  }
}

TEST_CASE("cuda batch norm: a constant feature, a feature with NaN, one with infinity, and its neighbours") {
  for (const std::int64_t m : {40, 2100}) {
    Case c(m, 6);
    for (std::int64_t i = 0; i < c.m; ++i) c.x[static_cast<std::size_t>(i * 6 + 1)] = 7.25f;
    c.x[3 * 6 + 2] = test::nan;
    c.x[5 * 6 + 3] = test::infinity;
    const Outputs received = on_cuda(c), expected = on_cpu(c);
    for (const std::size_t feature : {0u, 1u, 4u, 5u}) {
      CHECK(received[inverse][feature] == doctest::Approx(expected[inverse][feature]));
      for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i)
        CHECK(received[y][i * 6 + feature] == doctest::Approx(expected[y][i * 6 + feature]).epsilon(1e-5));
    }
    for (const std::size_t feature : {2u, 3u}) {
      CHECK(std::isnan(received[running_variance][feature]));
      CHECK_FALSE(std::isfinite(received[running_mean][feature]));
      for (std::size_t i = 0; i < static_cast<std::size_t>(m); ++i) CHECK(std::isnan(received[y][i * 6 + feature]));
    }
  }
}

TEST_CASE("cuda batch norm: no rows") {
  const Case c(0, 5);
  const Outputs received = on_cuda(c);
  CHECK(received[running_mean] == c.running_mean);
  CHECK(received[dgamma] == std::vector<float>(5, 0.0f));
  CHECK(received[dbeta] == std::vector<float>(5, 0.0f));
}

}  // namespace
}  // namespace onelogit
