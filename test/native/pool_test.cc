// Pools against plain loops in float64, at every instruction set, and through the backend with every cut of the work.
#include <doctest/doctest.h>

#include <algorithm>

#include "backend/backend.h"
#include "backend/cpu/kernels/pool.h"
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
using test::same;

using Doubles = std::vector<double>;

// Windows of one kind in both directions over an image of another size in each.
struct Windows {
  std::int64_t kernel, stride, before, after;
};
Pool2dGeometry over(std::int64_t height, std::int64_t width, std::int64_t channels, Windows vertical,
                    Windows horizontal) {
  Pool2dGeometry g;
  g.height = height;
  g.width = width;
  g.channels = channels;
  g.kernel_height = vertical.kernel;
  g.kernel_width = horizontal.kernel;
  g.stride_y = vertical.stride;
  g.stride_x = horizontal.stride;
  g.top = vertical.before;
  g.left = horizontal.before;
  g.out_height = (height + vertical.before + vertical.after - vertical.kernel) / vertical.stride + 1;
  g.out_width = (width + horizontal.before + horizontal.after - horizontal.kernel) / horizontal.stride + 1;
  return g;
}

std::vector<Pool2dGeometry> geometries() {
  std::vector<Pool2dGeometry> list{
      over(1, 1, 1, {1, 1, 0, 0}, {1, 1, 0, 0}),    // nothing to do
      over(4, 6, 3, {2, 2, 0, 0}, {2, 2, 0, 0}),    // windows side by side
      over(7, 8, 5, {3, 2, 0, 1}, {3, 2, 1, 1}),    // overlapping
      over(5, 4, 17, {3, 1, 1, 1}, {3, 1, 1, 1}),   // as many outputs as inputs
      over(6, 7, 33, {5, 3, 4, 4}, {4, 3, 3, 0}),   // as much padding as there may be
      over(7, 9, 70, {1, 3, 0, 0}, {2, 5, 0, 0}),   // pixels that no window has
      over(3, 2, 16, {9, 2, 8, 8}, {7, 1, 6, 6}),   // kernels larger than the image
      over(7, 7, 130, {7, 1, 0, 0}, {7, 1, 0, 0}),  // the whole image in one window
      over(1, 40, 2, {1, 1, 0, 0}, {19, 4, 9, 9}),  // a row of more than one float32 run
      over(6, 5, 1, {6, 1, 0, 0}, {3, 2, 0, 0}),    // one channel
      over(5, 5, 64, {3, 2, 1, 1}, {3, 2, 1, 1}),   // whole vectors alone
      over(2, 3, 200, {2, 1, 1, 1}, {3, 3, 2, 2}),
  };
  if (!test::small_run()) {
    list.push_back(over(35, 35, 96, {3, 1, 1, 1}, {3, 1, 1, 1}));
    list.push_back(over(56, 57, 64, {3, 2, 1, 1}, {3, 2, 1, 1}));
    list.push_back(over(8, 8, 2048, {8, 1, 0, 0}, {8, 1, 0, 0}));
  }
  std::mt19937 engine(7);
  const auto one_of = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  for (int i = 0; i < (test::small_run() ? 20 : 100); ++i) {
    const auto windows = [&](std::int64_t length) {
      for (;;) {
        const std::int64_t kernel = one_of(1, 6);
        const Windows w{kernel, one_of(1, 4), one_of(0, kernel - 1), one_of(0, kernel - 1)};
        if (length + w.before + w.after >= kernel) return w;
      }
    };
    const std::int64_t height = one_of(1, 9), width = one_of(1, 9);
    list.push_back(over(height, width, one_of(1, 40), windows(height), windows(width)));
  }
  return list;
}

std::size_t inputs(const Pool2dGeometry& g, std::int64_t m) {
  return static_cast<std::size_t>(m * g.in_pixels() * g.channels);
}
std::size_t outputs(const Pool2dGeometry& g, std::int64_t m) {
  return static_cast<std::size_t>(m * g.out_pixels() * g.channels);
}

// f(output, channel's place in x of the window's pixel, the pixel's place in the image) for all pixels of all windows.
template <class F>
void for_windows(const Pool2dGeometry& g, std::int64_t m, F&& f) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t oy = 0; oy < g.out_height; ++oy)
      for (std::int64_t ox = 0; ox < g.out_width; ++ox)
        for (std::int64_t c = 0; c < g.channels; ++c)
          for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
            for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
              const std::int64_t row = oy * g.stride_y - g.top + ky, column = ox * g.stride_x - g.left + kx;
              if (row < 0 || row >= g.height || column < 0 || column >= g.width) continue;
              f((((i * g.out_height + oy) * g.out_width + ox) * g.channels + c),
                ((i * g.height + row) * g.width + column) * g.channels + c, row * g.width + column);
            }
}

struct Largest {
  std::vector<float> y;
  std::vector<std::int32_t> places;
};
Largest largest(const Pool2dGeometry& g, const std::vector<float>& x, std::int64_t m) {
  Largest result{std::vector<float>(outputs(g, m)), std::vector<std::int32_t>(outputs(g, m), -1)};
  for_windows(g, m, [&](std::int64_t out, std::int64_t in, std::int64_t place) {
    const float best = result.y[out], value = x[in];
    if (result.places[out] >= 0 && !(value > best) && !(std::isnan(value) && !std::isnan(best))) return;
    result.y[out] = value;
    result.places[out] = static_cast<std::int32_t>(place);
  });
  return result;
}

// How many pixels each window has in the image.
std::vector<std::int64_t> counts(const Pool2dGeometry& g, std::int64_t m) {
  std::vector<std::int64_t> count(outputs(g, m));
  for_windows(g, m, [&](std::int64_t out, std::int64_t, std::int64_t) { ++count[out]; });
  return count;
}

std::vector<std::int64_t> divisors(const Pool2dGeometry& g, bool count_padding, std::int64_t m) {
  std::vector<std::int64_t> result = counts(g, m);
  if (count_padding) std::fill(result.begin(), result.end(), g.kernel_pixels());
  return result;
}

// kernel(row, begin, end) for all rows, their channels in two parts.
template <class Kernel>
void by_parts(std::int64_t rows, std::int64_t channels, Kernel&& kernel) {
  for (std::int64_t row = 0; row < rows; ++row) {
    kernel(row, 0, channels / 3);
    kernel(row, channels / 3, channels);
  }
}

TEST_CASE("max pool: values and places equal plain loops, hostile values included") {
  std::uint32_t seed = 1;
  for (const Pool2dGeometry& g : geometries()) {
    CAPTURE(g.height);
    CAPTURE(g.width);
    CAPTURE(g.channels);
    CAPTURE(g.kernel_height);
    CAPTURE(g.kernel_width);
    for (const std::int64_t m : {1, 3}) {
      auto x = hostile_values(static_cast<std::int64_t>(inputs(g, m)), seed++);
      // Equals: the first of them is taken.
      for (float& value : x)
        if (std::abs(value) < 0.3f) value = 0.25f;
      const Largest expected = largest(g, x, m);
      CHECK(std::count(expected.places.begin(), expected.places.end(), -1) == 0);
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(pool_kernels)) {
        CAPTURE(name);
        std::vector<float> y(outputs(g, m)), without_places(y);
        std::vector<std::int32_t> places(y.size());
        by_parts(m * g.out_height, g.channels, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
          kernels.max_forward({g, x.data(), y.data(), places.data()}, row, begin, end);
          kernels.max_forward({g, x.data(), without_places.data(), nullptr}, row, begin, end);
        });
        CHECK(std::equal(y.begin(), y.end(), expected.y.begin(), same));
        CHECK(std::equal(y.begin(), y.end(), without_places.begin(), same));
        CHECK(places == expected.places);
      }
      std::vector<float> y(outputs(g, m));
      std::vector<std::int32_t> places(y.size());
      cpu_backend().max_pool_forward(g, x.data(), y.data(), places.data(), m);
      CHECK(std::equal(y.begin(), y.end(), expected.y.begin(), same));
      CHECK(places == expected.places);
    }
  }
}

TEST_CASE("max pool: padding never wins, NaN does, the first of equals is taken") {
  const Pool2dGeometry g = over(3, 3, 1, {3, 2, 1, 1}, {3, 2, 1, 1});
  const auto pool = [&](const std::vector<float>& x) {
    Largest result{std::vector<float>(4), std::vector<std::int32_t>(4)};
    cpu_backend().max_pool_forward(g, x.data(), result.y.data(), result.places.data(), 1);
    return result;
  };
  const Largest below = pool({-1, -2, -3, -4, -5, -6, -7, -8, -9});
  CHECK(below.y == std::vector<float>{-1, -2, -4, -5});
  CHECK(below.places == std::vector<std::int32_t>{0, 1, 3, 4});
  const Largest lowest = pool(std::vector<float>(9, -infinity));
  CHECK(lowest.y == std::vector<float>(4, -infinity));
  CHECK(lowest.places == std::vector<std::int32_t>{0, 1, 3, 4});
  const Largest equal = pool(std::vector<float>(9, 2.0f));
  CHECK(equal.places == std::vector<std::int32_t>{0, 1, 3, 4});
  const Largest poisoned = pool({1, 2, 3, 4, nan, infinity, 7, nan, 9});
  for (const float value : poisoned.y) CHECK(std::isnan(value));
  CHECK(poisoned.places == std::vector<std::int32_t>{4, 4, 4, 4});
}

TEST_CASE("max pool: the gradient goes to where the largest was, added over windows") {
  std::uint32_t seed = 100;
  for (const Pool2dGeometry& g : geometries()) {
    CAPTURE(g.height);
    CAPTURE(g.width);
    CAPTURE(g.channels);
    for (const std::int64_t m : {1, 2}) {
      const auto x = random_values(static_cast<std::int64_t>(inputs(g, m)), seed++);
      const auto dy = hostile_values(static_cast<std::int64_t>(outputs(g, m)), seed++);
      const Largest forward = largest(g, x, m);
      Doubles expected(inputs(g, m));
      const std::int64_t image_outputs = g.out_pixels() * g.channels;
      for (std::int64_t out = 0; out < m * image_outputs; ++out)
        expected[(out / image_outputs * g.in_pixels() + forward.places[out]) * g.channels + out % g.channels] +=
            static_cast<double>(dy[out]);
      const auto wrong = [&](const std::vector<float>& dx) {
        std::int64_t count = 0;
        for (std::size_t i = 0; i < dx.size(); ++i) count += !close(dx[i], expected[i], 1e-6, 2e-3);
        return count;
      };
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(pool_kernels)) {
        CAPTURE(name);
        std::vector<float> dx(inputs(g, m), 9.0f);
        by_parts(m * g.height, g.channels, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
          kernels.max_backward({g, forward.places.data(), dy.data(), dx.data()}, row, begin, end);
        });
        CHECK(wrong(dx) == 0);
      }
      std::vector<float> dx(inputs(g, m), 9.0f);
      cpu_backend().max_pool_backward(g, forward.places.data(), dy.data(), dx.data(), m);
      CHECK(wrong(dx) == 0);
    }
  }
}

TEST_CASE("average pool: means with and without padding equal plain loops in float64") {
  std::uint32_t seed = 200;
  for (const Pool2dGeometry& g : geometries())
    for (const bool count_padding : {true, false}) {
      CAPTURE(g.height);
      CAPTURE(g.width);
      CAPTURE(g.channels);
      CAPTURE(count_padding);
      const std::int64_t m = 2;
      auto x = random_values(static_cast<std::int64_t>(inputs(g, m)), seed++);
      x.front() = nan;
      x.back() = infinity;
      Doubles expected(outputs(g, m)), magnitude(outputs(g, m));
      for_windows(g, m, [&](std::int64_t out, std::int64_t in, std::int64_t) {
        expected[out] += static_cast<double>(x[in]);
        magnitude[out] += std::abs(static_cast<double>(x[in]));
      });
      const std::vector<std::int64_t> divisor = divisors(g, count_padding, m);
      const auto wrong = [&](const std::vector<float>& y) {
        std::int64_t count = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
          const double by = static_cast<double>(divisor[i]);
          // At most 16 numbers are added in float32.
          count += !close(y[i], expected[i] / by, 2e-7, std::isfinite(magnitude[i]) ? 1e-6 * magnitude[i] / by : 0);
        }
        return count;
      };
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(pool_kernels)) {
        CAPTURE(name);
        std::vector<float> y(outputs(g, m));
        by_parts(m * g.out_height, g.channels, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
          kernels.avg_forward({g, count_padding, x.data(), y.data()}, row, begin, end);
        });
        CHECK(wrong(y) == 0);
      }
      std::vector<float> y(outputs(g, m));
      cpu_backend().avg_pool_forward(g, count_padding, x.data(), y.data(), m);
      CHECK(wrong(y) == 0);
    }
}

TEST_CASE("average pool: a mean over a large image is as exact as float32 can say") {
  const std::int64_t side = test::small_run() ? 60 : 300, channels = 3;
  const Pool2dGeometry g = over(side, side, channels, {side, 1, 0, 0}, {side, 1, 0, 0});
  const auto x = random_values(side * side * channels, 3, 1000.0f, 1001.0f);
  std::vector<float> y(channels);
  cpu_backend().avg_pool_forward(g, true, x.data(), y.data(), 1);
  for (std::int64_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (std::int64_t i = c; i < side * side * channels; i += channels) sum += static_cast<double>(x[i]);
    CHECK(close(y[c], sum / static_cast<double>(side * side), 3e-7, 0));
  }
}

TEST_CASE("average pool: the gradient is the adjoint of the mean") {
  std::uint32_t seed = 300;
  for (const Pool2dGeometry& g : geometries())
    for (const bool count_padding : {true, false}) {
      CAPTURE(g.height);
      CAPTURE(g.width);
      CAPTURE(g.channels);
      CAPTURE(count_padding);
      const std::int64_t m = 2;
      auto dy = random_values(static_cast<std::int64_t>(outputs(g, m)), seed++);
      dy.back() = nan;
      const std::vector<std::int64_t> divisor = divisors(g, count_padding, m);
      Doubles expected(inputs(g, m));
      for_windows(g, m, [&](std::int64_t out, std::int64_t in, std::int64_t) {
        expected[in] += static_cast<double>(dy[out]) / static_cast<double>(divisor[out]);
      });
      const auto wrong = [&](const std::vector<float>& dx) {
        std::int64_t count = 0;
        for (std::size_t i = 0; i < dx.size(); ++i) count += !close(dx[i], expected[i], 1e-5, 2e-6);
        return count;
      };
      for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(pool_kernels)) {
        CAPTURE(name);
        std::vector<float> dx(inputs(g, m), 9.0f);
        by_parts(m * g.height, g.channels, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
          kernels.avg_backward({g, count_padding, dy.data(), dx.data()}, row, begin, end);
        });
        CHECK(wrong(dx) == 0);
      }
      std::vector<float> dx(inputs(g, m), 9.0f);
      cpu_backend().avg_pool_backward(g, count_padding, dy.data(), dx.data(), m);
      CHECK(wrong(dx) == 0);
    }
}

TEST_CASE("pools of no images do nothing") {
  const Pool2dGeometry g = over(4, 4, 3, {2, 2, 0, 0}, {2, 2, 0, 0});
  float x = 1.0f, y = 2.0f;
  std::int32_t place = 3;
  cpu_backend().max_pool_forward(g, &x, &y, &place, 0);
  cpu_backend().max_pool_backward(g, &place, &y, &x, 0);
  cpu_backend().avg_pool_forward(g, true, &x, &y, 0);
  cpu_backend().avg_pool_backward(g, true, &y, &x, 0);
  CHECK(x == 1.0f);
  CHECK(y == 2.0f);
  CHECK(place == 3);
}

}  // namespace
}  // namespace onelogit
