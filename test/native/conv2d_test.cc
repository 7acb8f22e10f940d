#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>

#include "backend/backend.h"
#include "random_values.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::random_values;

constexpr double relative = 1e-4;  // of the sum of the products' magnitudes

std::int64_t in_size(const Conv2dGeometry& g) { return g.in_pixels() * g.channels; }
std::int64_t out_size(const Conv2dGeometry& g) { return g.out_pixels() * g.filters; }
std::int64_t weight_size(const Conv2dGeometry& g) { return g.filters * g.filter_size(); }

// Calls visit(x index, weight index, y index) for every product of a convolution of m images.
template <class Visit>
void for_each_product(const Conv2dGeometry& g, std::int64_t m, Visit&& visit) {
  for (std::int64_t image = 0; image < m; ++image)
    for (std::int64_t oy = 0; oy < g.out_height; ++oy)
      for (std::int64_t ox = 0; ox < g.out_width; ++ox)
        for (std::int64_t f = 0; f < g.filters; ++f)
          for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
            for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
              const std::int64_t iy = oy * g.stride_y + ky - g.top, ix = ox * g.stride_x + kx - g.left;
              if (iy < 0 || iy >= g.height || ix < 0 || ix >= g.width) continue;
              const std::int64_t first = f / g.group_filters() * g.group_channels();
              for (std::int64_t c = 0; c < g.group_channels(); ++c)
                visit(((image * g.height + iy) * g.width + ix) * g.channels + first + c,
                      ((f * g.kernel_height + ky) * g.kernel_width + kx) * g.group_channels() + c,
                      ((image * g.out_height + oy) * g.out_width + ox) * g.filters + f);
            }
}

// A sum in float64 and that of the magnitudes, which its error is measured by.
struct Sums {
  std::vector<double> value, magnitude;
  explicit Sums(std::int64_t n) : value(n), magnitude(n) {}
  void add(std::int64_t i, double a, double b) {
    value[i] += a * b;
    magnitude[i] += std::abs(a * b);
  }
  void add_vector(const std::vector<float>& v) {  // v repeated
    for (std::size_t i = 0; i < value.size(); ++i) add(static_cast<std::int64_t>(i), v[i % v.size()], 1.0);
  }
  std::int64_t wrong(const std::vector<float>& received) const {
    std::int64_t count = 0;
    for (std::size_t i = 0; i < value.size(); ++i)
      count += !close(received[i], value[i], 1e-6, relative * magnitude[i] + 1e-30);
    return count;
  }
};

Sums forward_reference(const Conv2dGeometry& g, const std::vector<float>& x, const std::vector<float>& weight,
                       std::int64_t m) {
  Sums sums(m * out_size(g));
  for_each_product(g, m, [&](std::int64_t i, std::int64_t w, std::int64_t o) { sums.add(o, x[i], weight[w]); });
  return sums;
}

Conv2dGeometry geometry(std::int64_t height, std::int64_t width, std::int64_t channels, std::int64_t filters,
                        std::int64_t kernel_height, std::int64_t kernel_width, std::int64_t stride_y = 1,
                        std::int64_t stride_x = 1, std::int64_t top = 0, std::int64_t bottom = 0, std::int64_t left = 0,
                        std::int64_t right = 0, std::int64_t groups = 1) {
  Conv2dGeometry g;
  g.height = height;
  g.width = width;
  g.channels = channels;
  g.kernel_height = kernel_height;
  g.kernel_width = kernel_width;
  g.stride_y = stride_y;
  g.stride_x = stride_x;
  g.top = top;
  g.left = left;
  g.out_height = (height + top + bottom - kernel_height) / stride_y + 1;
  g.out_width = (width + left + right - kernel_width) / stride_x + 1;
  g.filters = filters;
  g.groups = groups;
  return g;
}

std::string describe(const Conv2dGeometry& g, std::int64_t m) {
  const auto by = [](std::int64_t a, std::int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  return std::to_string(m) + " images " + by(g.height, g.width) + "x" + std::to_string(g.channels) + " kernel " +
         by(g.kernel_height, g.kernel_width) + " stride " + by(g.stride_y, g.stride_x) + " from -" + by(g.top, g.left) +
         " to " + by(g.out_height, g.out_width) + "x" + std::to_string(g.filters) + " in " + std::to_string(g.groups) +
         " groups";
}

struct Case {
  Conv2dGeometry geometry;
  std::int64_t m;
};

// Shapes with a reason, then random ones.
std::vector<Case> cases() {
  std::vector<Case> result{
      {geometry(1, 1, 1, 1, 1, 1), 1},
      {geometry(7, 7, 70, 33, 1, 1), 3},                        // a product
      {geometry(9, 7, 20, 40, 1, 1, 2, 2), 2},                  // a product of every other pixel
      {geometry(7, 7, 24, 40, 3, 3, 1, 1, 1, 1, 1, 1), 1},      // few rows
      {geometry(14, 14, 18, 16, 3, 3, 2, 2, 0, 1, 0, 1), 2},    // 'same' with stride 2: more below and right
      {geometry(20, 23, 3, 20, 7, 7, 2, 2, 3, 3, 3, 3), 2},     // first layer
      {geometry(4, 5, 3, 6, 4, 5, 1, 1, 3, 3, 4, 4), 2},        // as much padding as there can be
      {geometry(2, 2, 5, 7, 7, 7, 3, 3, 6, 6, 6, 6), 2},        // windows larger than the image
      {geometry(1, 9, 5, 4, 1, 7, 1, 1, 0, 0, 3, 3), 3},        // 1×7, 7×1: inceptionV3
      {geometry(9, 1, 5, 4, 7, 1, 1, 1, 3, 3, 0, 0), 3},        //
      {geometry(6, 6, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 12), 2},  // depthwise
      {geometry(6, 6, 40, 40, 3, 3, 2, 2, 1, 0, 1, 0, 40), 2},  // depthwise, stride 2
      {geometry(5, 6, 6, 18, 3, 2, 1, 2, 1, 1, 0, 1, 6), 2},    // several filters of one channel
      {geometry(9, 9, 34, 42, 5, 5, 1, 1, 2, 2, 2, 2, 2), 2},   // two towers
      {geometry(11, 3, 16, 130, 3, 3, 1, 1, 1, 1, 1, 1), 1},    // more filters than several tiles
      {geometry(3, 3, 600, 20, 1, 1), 2},                       // deeper than a block
      {geometry(5, 5, 140, 35, 3, 3, 1, 1, 1, 1, 1, 1), 1},     // several blocks, cut inside a pixel
      {geometry(30, 31, 4, 9, 2, 3, 1, 1, 0, 1, 1, 1), 2},      // more rows than a block
      {geometry(10, 10, 8, 8, 3, 3, 4, 5, 1, 1, 1, 1), 2},      // strides larger than the window
      {geometry(8, 8, 6, 5, 1, 1, 3, 3), 1},                    // pixels that no window sees
      {geometry(4, 4, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1), 0},
  };
  std::mt19937 engine(5);
  const auto draw = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
  };
  const int count = test::small_run() ? 20 : 120;
  for (int i = 0; i < count; ++i) {
    const std::int64_t kh = draw(1, 7), kw = draw(1, 7);
    const std::int64_t top = draw(0, kh - 1), left = draw(0, kw - 1);
    const std::int64_t bottom = draw(0, kh - 1), right = draw(0, kw - 1);
    const std::int64_t height = draw(std::max<std::int64_t>(1, kh - top - bottom), 10);
    const std::int64_t width = draw(std::max<std::int64_t>(1, kw - left - right), 10);
    // Every eighth has a filter for each channel.
    const std::int64_t groups = i % 8 == 0 ? draw(1, 70) : draw(0, 2) == 0 ? draw(2, 5) : 1;
    const std::int64_t channels = i % 8 == 0 ? groups : draw(1, 70 / groups) * groups;
    const std::int64_t filters = i % 8 == 0 ? groups : draw(1, 70 / groups) * groups;
    result.push_back(
        {geometry(height, width, channels, filters, kh, kw, draw(1, 3), draw(1, 3), top, bottom, left, right, groups),
         draw(0, 5)});
  }
  return result;
}

TEST_CASE("conv2d forward equals float64 over shapes") {
  for (const auto& [g, m] : cases()) {
    CAPTURE(describe(g, m));
    const auto x = random_values(m * in_size(g), 1), weight = random_values(weight_size(g), 2);
    const auto bias = random_values(g.filters, 3);
    Sums expected = forward_reference(g, x, weight, m);
    std::vector<float> y(m * out_size(g), nan);
    cpu_backend().conv2d_forward(g, x.data(), weight.data(), nullptr, y.data(), m);
    CHECK(expected.wrong(y) == 0);
    expected.add_vector(bias);
    std::fill(y.begin(), y.end(), nan);
    cpu_backend().conv2d_forward(g, x.data(), weight.data(), bias.data(), y.data(), m);
    CHECK(expected.wrong(y) == 0);
    const auto first = y;
    cpu_backend().conv2d_forward(g, x.data(), weight.data(), bias.data(), y.data(), m);
    CHECK(first == y);
  }
}

TEST_CASE("conv2d for prediction equals float64, with bias, residual and relu in every combination") {
  int number = 0;
  for (const auto& [g, m] : cases()) {
    CAPTURE(describe(g, m));
    const auto x = random_values(m * in_size(g), 1), residual = random_values(m * out_size(g), 4);
    auto weight = random_values(weight_size(g), 2), bias = random_values(g.filters, 3);
    const Sums product = forward_reference(g, x, weight, m);
    // Two of the combinations each: all have been seen after four cases.
    for (const int combination : {number % 8, (number + 3) % 8}) {
      const bool with_bias = (combination & 1) != 0, with_residual = (combination & 2) != 0;
      const bool relu = (combination & 4) != 0;
      CAPTURE(combination);
      Sums expected = product;
      if (with_bias) expected.add_vector(bias);
      if (with_residual && m > 0) expected.add_vector(residual);
      if (relu)
        for (double& value : expected.value) value = std::max(value, 0.0);
      const auto inference = cpu_backend().make_conv2d_inference(g, weight.data(), with_bias ? bias.data() : nullptr);
      std::vector<float> y(m * out_size(g), nan);
      inference->run(x.data(), with_residual ? residual.data() : nullptr, relu, y.data(), m);
      CHECK(expected.wrong(y) == 0);
      if (with_residual) {
        auto in_place = residual;
        inference->run(x.data(), in_place.data(), relu, in_place.data(), m);
        CHECK(in_place == y);
      }
      if (m > 1) {  // an image's result does not depend on what else is predicted
        std::vector<float> last(out_size(g), nan);
        inference->run(x.data() + (m - 1) * in_size(g),
                       with_residual ? residual.data() + (m - 1) * out_size(g) : nullptr, relu, last.data(), 1);
        CHECK(std::equal(last.begin(), last.end(), y.end() - out_size(g)));
      }
    }
    ++number;
  }
}

TEST_CASE("a convolution for prediction keeps its weight and bias") {
  const Conv2dGeometry g = geometry(6, 6, 5, 9, 3, 3, 1, 1, 1, 1, 1, 1);
  const auto x = random_values(in_size(g), 1), weight = random_values(weight_size(g), 2);
  const auto bias = random_values(g.filters, 3);
  Sums expected = forward_reference(g, x, weight, 1);
  expected.add_vector(bias);
  auto passing_weight = weight, passing_bias = bias;
  const auto inference = cpu_backend().make_conv2d_inference(g, passing_weight.data(), passing_bias.data());
  std::fill(passing_weight.begin(), passing_weight.end(), nan);
  std::fill(passing_bias.begin(), passing_bias.end(), nan);
  std::vector<float> y(out_size(g));
  inference->run(x.data(), nullptr, false, y.data(), 1);
  CHECK(expected.wrong(y) == 0);
}

TEST_CASE("several threads predict with one convolution at once") {
  const Conv2dGeometry g = geometry(12, 12, 16, 40, 3, 3, 1, 1, 1, 1, 1, 1);
  const auto x = random_values(4 * in_size(g), 1), weight = random_values(weight_size(g), 2);
  const auto inference = cpu_backend().make_conv2d_inference(g, weight.data(), nullptr);
  std::vector<float> expected(4 * out_size(g));
  inference->run(x.data(), nullptr, true, expected.data(), 4);
  std::vector<std::vector<float>> received(4);
  std::vector<std::thread> threads;
  threads.reserve(received.size());
  for (std::size_t i = 0; i < received.size(); ++i)
    threads.emplace_back([&, i] {
      for (int repetition = 0; repetition < 5; ++repetition) {
        received[i].assign(expected.size(), nan);
        inference->run(x.data(), nullptr, true, received[i].data(), 4);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& y : received) CHECK(y == expected);
}

TEST_CASE("conv2d backward equals the transposed convolution in float64, overwrites, and is the same twice") {
  for (const auto& [g, m] : cases()) {
    CAPTURE(describe(g, m));
    const auto x = random_values(m * in_size(g), 1), weight = random_values(weight_size(g), 2);
    const auto dy = random_values(m * out_size(g), 3);
    Sums dx(m * in_size(g)), dweight(weight_size(g)), dbias(g.filters);
    for_each_product(g, m, [&](std::int64_t i, std::int64_t w, std::int64_t o) {
      dx.add(i, dy[o], weight[w]);
      dweight.add(w, dy[o], x[i]);
    });
    for (std::int64_t i = 0; i < m * out_size(g); ++i) dbias.add(i % g.filters, dy[i], 1.0);
    std::vector<float> dx_received(dx.value.size(), nan), dweight_received(dweight.value.size(), nan);
    std::vector<float> dbias_received(dbias.value.size(), nan), dweight_only = dweight_received;
    cpu_backend().conv2d_backward_input(g, dy.data(), weight.data(), dx_received.data(), m);
    CHECK(dx.wrong(dx_received) == 0);
    cpu_backend().conv2d_backward_weight(g, x.data(), dy.data(), dweight_received.data(), dbias_received.data(), m);
    CHECK(dweight.wrong(dweight_received) == 0);
    CHECK(dbias.wrong(dbias_received) == 0);
    cpu_backend().conv2d_backward_weight(g, x.data(), dy.data(), dweight_only.data(), nullptr, m);
    CHECK(dweight_only == dweight_received);
    const auto first = dx_received;
    cpu_backend().conv2d_backward_input(g, dy.data(), weight.data(), dx_received.data(), m);
    CHECK(first == dx_received);
  }
}

TEST_CASE("NaN and infinity in x reach exactly the outputs whose windows hold them") {
  for (const auto& [g, m] : cases()) {
    if (m == 0) continue;
    CAPTURE(describe(g, m));
    const auto weight = random_values(weight_size(g), 2, 0.5f, 1.0f);
    for (const float hostile : {nan, test::infinity}) {
      auto x = random_values(m * in_size(g), 1);
      const std::int64_t place = static_cast<std::int64_t>(x.size()) * 2 / 3;
      x[place] = hostile;
      std::vector<bool> seen(m * out_size(g));
      for_each_product(g, m, [&](std::int64_t i, std::int64_t, std::int64_t o) {
        if (i == place) seen[o] = true;
      });
      std::vector<float> y(m * out_size(g));
      const auto inference = cpu_backend().make_conv2d_inference(g, weight.data(), nullptr);
      inference->run(x.data(), nullptr, true, y.data(), m);
      std::int64_t wrong = 0;
      for (std::size_t i = 0; i < y.size(); ++i)
        wrong += seen[i] ? !(std::isnan(hostile) ? std::isnan(y[i]) : y[i] == hostile) : !std::isfinite(y[i]);
      CHECK(wrong == 0);
    }
  }
}

}  // namespace
}  // namespace onelogit
