// One filter for each channel, at every instruction set of this processor, against nested loops in float64.
#include <doctest/doctest.h>

#include "backend/cpu/kernels/depthwise.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::random_values;

constexpr std::int64_t images = 2;

// Calls visit(x index, pixel of the filter · channels + channel, y index) for every product.
template <class Visit>
void for_each_product(const DepthwiseShape& s, Visit&& visit) {
  for (std::int64_t row = 0; row < images * s.out_height; ++row)
    for (std::int64_t out_x = 0; out_x < s.out_width; ++out_x)
      for (std::int64_t ky = 0; ky < s.kernel_height; ++ky)
        for (std::int64_t kx = 0; kx < s.kernel_width; ++kx) {
          const std::int64_t y = row % s.out_height * s.stride_y + ky - s.top, x = out_x * s.stride_x + kx - s.left;
          if (y < 0 || y >= s.height || x < 0 || x >= s.width) continue;
          for (std::int64_t c = 0; c < s.channels; ++c)
            visit(((row / s.out_height * s.height + y) * s.width + x) * s.channels + c,
                  (ky * s.kernel_width + kx) * s.channels + c, (row * s.out_width + out_x) * s.channels + c);
        }
}

TEST_CASE("depthwise conv2d forward and its weight's gradient equal float64") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(depthwise_kernels)) {
    CAPTURE(name);
    std::uint32_t seed = 0;
    for (const std::int64_t channels : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 63, 64, 70, 130})
      for (const std::int64_t stride : {1, 2, 3})
        for (const std::int64_t top : {0, 2, -1}) {
          const DepthwiseShape s{5, 6, channels, 3, 4, stride, 4 - stride, top, 3 - stride, 4, 3};
          const std::int64_t out_size = images * s.out_height * s.out_width * channels;
          const std::int64_t filter_size = s.kernel_height * s.kernel_width * channels;
          const auto x = random_values(images * s.height * s.width * channels, ++seed);
          const auto filters = random_values(filter_size, 2), bias = random_values(channels, 3);
          const auto residual = random_values(out_size, 4), dy = random_values(out_size, 5);
          const bool with_bias = seed % 2 == 0, with_residual = seed % 3 == 0, relu = seed % 5 < 2;
          std::vector<double> sums(out_size), weight_sums(filter_size, 0.25);
          for (std::int64_t i = 0; i < out_size; ++i)
            sums[i] = (with_bias ? bias[i % channels] : 0.0) + (with_residual ? residual[i] : 0.0);
          for_each_product(s, [&](std::int64_t i, std::int64_t w, std::int64_t o) {
            sums[o] += static_cast<double>(x[i]) * filters[w];
            weight_sums[w] += static_cast<double>(x[i]) * dy[o];
          });
          CAPTURE(channels);
          CAPTURE(stride);
          CAPTURE(top);
          // Rows of their own, the last first; the residual in place.
          std::vector<float> y(with_residual ? residual : std::vector<float>(out_size, nan));
          std::vector<float> gradient(filter_size, 0.25f);
          const std::int64_t rows = images * s.out_height, middle = rows / 3;
          for (const auto& [begin, end] : {std::pair{middle, rows}, {std::int64_t{0}, middle}}) {
            kernels.forward(s, x.data(), filters.data(), with_bias ? bias.data() : nullptr,
                            with_residual ? y.data() : nullptr, relu, y.data(), begin, end);
            kernels.backward_weight(s, x.data(), dy.data(), gradient.data(), begin, end);
          }
          std::int64_t wrong = 0;
          for (std::int64_t i = 0; i < out_size; ++i)
            wrong += !close(y[i], relu && sums[i] < 0 ? 0.0 : sums[i], 1e-5, 1e-5);
          for (std::int64_t i = 0; i < filter_size; ++i) wrong += !close(gradient[i], weight_sums[i], 1e-5, 1e-5);
          CHECK(wrong == 0);
        }
  }
}

}  // namespace
}  // namespace onelogit
