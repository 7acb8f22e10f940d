// Normalisation across channels against its definition in float64, and its gradient against finite differences of that.
#include <doctest/doctest.h>

#include <algorithm>

#include "backend/backend.h"
#include "backend/cpu/kernels/local_response_norm.h"
#include "random_values.h"
#include "simd_levels.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::close;
using test::hostile_values;
using test::infinity;
using test::nan;
using test::random_values;

using Doubles = std::vector<double>;

Doubles scales(const LocalResponseNorm& norm, const Doubles& x, std::int64_t channels) {
  Doubles scale(x.size());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    const std::int64_t row = i / channels * channels, c = i % channels;
    double squares = 0;
    for (std::int64_t j = c - norm.size / 2; j <= c + (norm.size - 1) / 2; ++j)
      if (j >= 0 && j < channels) squares += x[row + j] * x[row + j];
    scale[i] = static_cast<double>(norm.k) + static_cast<double>(norm.alpha) / static_cast<double>(norm.size) * squares;
  }
  return scale;
}

Doubles normalized(const LocalResponseNorm& norm, const Doubles& x, std::int64_t channels) {
  const Doubles scale = scales(norm, x, channels);
  Doubles y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * std::pow(scale[i], -static_cast<double>(norm.beta));
  return y;
}

std::int64_t different(const std::vector<float>& received, const Doubles& expected, double relative, double absolute) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) count += !close(received[i], expected[i], relative, absolute);
  return count;
}

const LocalResponseNorm norms[] = {
    {},                          // as in torch
    {5, 5e-4f, 0.75f, 2.0f},     // Krizhevsky's alpha times his 5, his k
    {1, 0.5f, 0.75f, 1.0f},      // by itself alone
    {2, 2.0f, 0.75f, 1.0f},      // even: one more before than after
    {4, 2.0f, 0.5f, 0.5f},       //
    {7, 30.0f, 1.3f, 0.01f},     //
    {3, 1.0f, 0.0f, 1.0f},       // no effect
    {3, 0.0f, 2.0f, 3.0f},       // constant
    {1000, 10.0f, 0.75f, 1.0f},  // further than all channels
};

constexpr std::int64_t channel_counts[] = {1, 2, 3, 5, 8, 16, 17, 33, 96};

TEST_CASE("local response norm: output and scale equal the definition") {
  for (const LocalResponseNorm& norm : norms)
    for (const std::int64_t channels : channel_counts) {
      CAPTURE(norm.size);
      CAPTURE(norm.beta);
      CAPTURE(channels);
      const std::int64_t rows = 3, before = std::min(norm.size / 2, channels),
                         after = std::min((norm.size - 1) / 2, channels);
      const auto x = random_values(rows * channels, 1, -3.0f, 3.0f);
      const Doubles exact(x.begin(), x.end());
      const Doubles y = normalized(norm, exact, channels), scale = scales(norm, exact, channels);
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(local_response_norm_kernels)) {
        CAPTURE(name);
        std::vector<float> received(x.size()), kept(x.size()), without_scale(x.size()),
            workspace(static_cast<std::size_t>(channels + before + after), nan);
        LocalResponseNormForward pass{channels,  before,   after,           norm.k,     norm.alpha / norm.size,
                                      norm.beta, x.data(), received.data(), kept.data()};
        kernels.forward(pass, rows, workspace.data());
        CHECK(different(received, y, 2e-6, 0) == 0);
        CHECK(different(kept, scale, 2e-6, 0) == 0);
        pass.y = without_scale.data();
        pass.scale = nullptr;
        kernels.forward(pass, rows, workspace.data());
        CHECK(without_scale == received);
      }
      std::vector<float> received(x.size()), kept(x.size());
      cpu_backend().local_response_norm_forward(norm, x.data(), received.data(), kept.data(), rows, channels);
      CHECK(different(received, y, 2e-6, 0) == 0);
      CHECK(different(kept, scale, 2e-6, 0) == 0);
    }
}

TEST_CASE("local response norm: the gradient equals finite differences of the definition") {
  for (const LocalResponseNorm& norm : norms)
    for (const std::int64_t channels : channel_counts) {
      CAPTURE(norm.size);
      CAPTURE(norm.beta);
      CAPTURE(channels);
      const std::int64_t rows = 2, before = std::min(norm.size / 2, channels),
                         after = std::min((norm.size - 1) / 2, channels);
      const auto x = random_values(rows * channels, 2, -2.0f, 2.0f), dy = random_values(rows * channels, 3);
      Doubles exact(x.begin(), x.end()), expected(x.size());
      const auto value = [&] {
        const Doubles y = normalized(norm, exact, channels);
        double sum = 0;
        for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * static_cast<double>(dy[i]);
        return sum;
      };
      double largest = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        constexpr double h = 1e-5;
        const double here = exact[i];
        exact[i] = here + h;
        const double above = value();
        exact[i] = here - h;
        expected[i] = (above - value()) / (2 * h);
        exact[i] = here;
        largest = std::max(largest, std::abs(expected[i]));
      }
      const Doubles scale = scales(norm, exact, channels);
      const std::vector<float> kept(scale.begin(), scale.end());
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(local_response_norm_kernels)) {
        CAPTURE(name);
        std::vector<float> dx(x.size()), workspace(static_cast<std::size_t>(channels + before + after), nan);
        kernels.backward({channels, before, after, norm.beta, 2 * norm.alpha * norm.beta / norm.size, x.data(),
                          kept.data(), dy.data(), dx.data()},
                         rows, workspace.data());
        CHECK(different(dx, expected, 1e-5, 1e-5 * largest) == 0);
      }
      std::vector<float> dx(x.size());
      cpu_backend().local_response_norm_backward(norm, x.data(), kept.data(), dy.data(), dx.data(), rows, channels);
      CHECK(different(dx, expected, 1e-5, 1e-5 * largest) == 0);
    }
}

TEST_CASE("local response norm: every row for itself, however rows are cut between threads") {
  const std::int64_t rows = test::small_run() ? 300 : 3025, channels = 96;
  const LocalResponseNorm norm{5, 0.3f, 0.75f, 2.0f};
  const auto x = random_values(rows * channels, 4, -3.0f, 3.0f), dy = random_values(rows * channels, 5);
  std::vector<float> y(x.size()), scale(x.size()), dx(x.size()), one(channels), kept(channels);
  cpu_backend().local_response_norm_forward(norm, x.data(), y.data(), scale.data(), rows, channels);
  cpu_backend().local_response_norm_backward(norm, x.data(), scale.data(), dy.data(), dx.data(), rows, channels);
  bool good = true;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t at = row * channels;
    cpu_backend().local_response_norm_forward(norm, x.data() + at, one.data(), kept.data(), 1, channels);
    good &=
        std::equal(one.begin(), one.end(), y.begin() + at) && std::equal(kept.begin(), kept.end(), scale.begin() + at);
    cpu_backend().local_response_norm_backward(norm, x.data() + at, scale.data() + at, dy.data() + at, one.data(), 1,
                                               channels);
    good &= std::equal(one.begin(), one.end(), dx.begin() + at);
  }
  CHECK(good);
  cpu_backend().local_response_norm_forward(norm, nullptr, nullptr, nullptr, 0, channels);
  cpu_backend().local_response_norm_backward(norm, nullptr, nullptr, nullptr, nullptr, 0, channels);
}

TEST_CASE("local response norm: NaN and infinity reach the windows they are in, and no others") {
  const std::int64_t channels = 40;
  for (const float beta : {0.75f, 0.6f}) {
    const LocalResponseNorm norm{4, 1.0f, beta, 1.0f};
    for (const float hostile : {nan, infinity, -infinity}) {
      auto x = random_values(channels, 6);
      x[17] = hostile;
      std::vector<float> y(channels), scale(channels);
      cpu_backend().local_response_norm_forward(norm, x.data(), y.data(), scale.data(), 1, channels);
      for (std::int64_t c = 0; c < channels; ++c) {
        CAPTURE(c);
        // In windows c − 2 … c + 1: those of 16 to 19.
        const bool inside = c >= 16 && c <= 19;
        CHECK(std::isfinite(scale[c]) == !inside);
        if (!inside || c == 17 || std::isnan(hostile))
          CHECK(std::isnan(y[c]) == inside);  // infinity over infinity too
        else
          CHECK(y[c] == 0.0f);
      }
    }
  }
  // Numbers so small and so large that squares leave float32.
  const LocalResponseNorm norm;
  for (const float value : {1e-30f, 1e-40f, 1e15f, -1e15f}) {
    const std::vector<float> x(9, value);
    std::vector<float> y(9);
    cpu_backend().local_response_norm_forward(norm, x.data(), y.data(), nullptr, 1, 9);
    CHECK(different(y, normalized(norm, Doubles(x.begin(), x.end()), 9), 1e-5, 1e-44) == 0);
  }
}

}  // namespace
}  // namespace onelogit
