// What the convolution's kernels write, element by element, at every instruction set of this processor.
#include <doctest/doctest.h>

#include <algorithm>

#include "backend/cpu/kernels/conv2d.h"
#include "backend/cpu/kernels/gemm.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::random_values;

// Kernel tables of the same instruction set.
struct Level {
  const char* name;
  const Conv2dKernels& conv2d;
  const GemmKernels& gemm;
};
std::vector<Level> levels() {
  const auto conv2d = ONELOGIT_SIMD_TABLES(conv2d_kernels);
  const auto gemm = ONELOGIT_SIMD_TABLES(gemm_kernels);
  std::vector<Level> result;
  result.reserve(conv2d.size());
  for (std::size_t i = 0; i < conv2d.size(); ++i)
    result.push_back({conv2d[i].name, conv2d[i].kernels, gemm[i].kernels});
  return result;
}

struct WindowCase {
  Windows windows;
  std::int64_t images, group;
};

// Every number of channels around the vectors, strides, padding, a part of the depth that begins and ends anywhere.
std::vector<WindowCase> window_cases() {
  std::vector<WindowCase> result;
  std::uint32_t seed = 0;
  for (const std::int64_t channels : {1, 3, 4, 5, 8, 15, 16, 17, 32, 37, 48})
    for (const std::int64_t groups : {1, 2})
      for (const std::int64_t kernel : {1, 3, 4})
        for (const std::int64_t stride : {1, 2}) {
          std::mt19937 engine(++seed);
          const auto draw = [&](std::int64_t low, std::int64_t high) {
            return std::uniform_int_distribution<std::int64_t>(low, high)(engine);
          };
          Windows w{};
          w.height = draw(1, 6);
          w.width = draw(1, 6);
          w.group_channels = channels;
          w.channels = channels * groups;
          w.kernel_width = kernel;
          w.stride_y = stride;
          w.stride_x = draw(1, 3);
          w.top = draw(0, kernel - 1);
          w.left = draw(0, kernel - 1);
          w.out_height = draw(1, 4);
          w.out_width = draw(1, 9);
          const std::int64_t images = 2, pixels = images * w.out_height * w.out_width;
          w.first = draw(0, pixels - 1);
          w.rows = draw(1, pixels - w.first);
          const std::int64_t depth = kernel * kernel * channels;
          w.begin = draw(0, depth - 1);
          w.k = draw(1, std::min(depth - w.begin, most_window_part));
          result.push_back({w, images, groups - 1});
        }
  return result;
}

// Row `row` of the windows at depth l of all.
float window_element(const Windows& w, std::int64_t row, std::int64_t l) {
  const std::int64_t pixel = w.first + row, image = pixel / (w.out_height * w.out_width);
  const std::int64_t ky = l / w.group_channels / w.kernel_width, kx = l / w.group_channels % w.kernel_width;
  const std::int64_t y = pixel / w.out_width % w.out_height * w.stride_y - w.top + ky;
  const std::int64_t x = pixel % w.out_width * w.stride_x - w.left + kx;
  if (y < 0 || y >= w.height || x < 0 || x >= w.width) return 0.0f;
  return w.x[((image * w.height + y) * w.width + x) * w.channels + l % w.group_channels];
}

TEST_CASE("strips of conv2d windows hold each window's depth side by side with its neighbours'") {
  for (const Level& level : levels()) {
    CAPTURE(level.name);
    for (auto [w, images, group] : window_cases()) {
      const auto x = random_values(images * w.height * w.width * w.channels, 1);
      w.x = x.data() + group * w.group_channels;
      const Strips strips(w.rows, level.gemm.tile_rows);
      const std::int64_t size = w.rows * w.k + strips.count * window_strip_gap;
      std::vector<float> packed(size, nan);
      // In two calls, the second strips first: neither may spoil the other's.
      w.first_strip = strips.count / 2;
      w.end_strip = strips.count;
      level.conv2d.pack_windows(w, packed.data());
      w.end_strip = w.first_strip;
      w.first_strip = 0;
      level.conv2d.pack_windows(w, packed.data());
      std::int64_t wrong = 0;
      for (std::int64_t strip = 0; strip < strips.count; ++strip)
        for (std::int64_t r = 0; r < strips.rows(strip); ++r)
          for (std::int64_t l = 0; l < w.k; ++l)
            wrong += packed[strips.begin(strip) * w.k + strip * window_strip_gap + l * strips.rows(strip) + r] !=
                     window_element(w, strips.begin(strip) + r, w.begin + l);
      CAPTURE(w.group_channels);
      CAPTURE(w.channels);
      CAPTURE(w.kernel_width);
      CAPTURE(w.begin);
      CAPTURE(w.k);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("conv2d windows are packed as strips of columns") {
  for (const Level& level : levels()) {
    CAPTURE(level.name);
    const std::int64_t lanes = level.gemm.lanes, columns = level.gemm.tile_columns;
    for (auto [w, images, group] : window_cases()) {
      const auto x = random_values(images * w.height * w.width * w.channels, 1);
      w.x = x.data() + group * w.group_channels;
      std::vector<float> packed((w.k + lanes - 1) / lanes * lanes * w.rows, nan);
      level.conv2d.pack_window_columns(w, packed.data());
      std::int64_t wrong = 0;
      for (std::int64_t strip = 0; strip < w.k; strip += columns) {
        const std::int64_t width = std::min(columns, (w.k - strip + lanes - 1) / lanes * lanes);
        for (std::int64_t row = 0; row < w.rows; ++row)
          for (std::int64_t j = 0; j < width; ++j) {
            const bool beyond = strip + j >= w.k;
            wrong += packed[strip * w.rows + row * width + j] !=
                     (beyond ? 0.0f : window_element(w, row, w.begin + strip + j));
          }
      }
      CAPTURE(w.group_channels);
      CAPTURE(w.channels);
      CAPTURE(w.kernel_width);
      CAPTURE(w.begin);
      CAPTURE(w.k);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("columns of a matrix are packed as strips of rows") {
  for (const Level& level : levels()) {
    CAPTURE(level.name);
    for (const std::int64_t rows : {1, 3, 6, 14, 15, 29, 64})
      for (const std::int64_t k : {1, 2, 17}) {
        const std::int64_t stride = rows + 3;
        const auto matrix = random_values((k - 1) * stride + rows, 1);
        std::vector<float> packed(rows * k + window_strip_gap, nan);
        level.conv2d.pack_columns(matrix.data(), stride, rows, k, packed.data());
        const Strips strips(rows, level.gemm.tile_rows);
        std::int64_t wrong = 0;
        for (std::int64_t strip = 0; strip < strips.count; ++strip)
          for (std::int64_t r = 0; r < strips.rows(strip); ++r)
            for (std::int64_t l = 0; l < k; ++l)
              wrong += packed[strips.begin(strip) * k + l * strips.rows(strip) + r] !=
                       matrix[l * stride + strips.begin(strip) + r];
        CHECK(wrong == 0);
      }
  }
}

TEST_CASE("conv2d filters are packed into strips, zeros after the last") {
  for (const Level& level : levels()) {
    CAPTURE(level.name);
    const std::int64_t lanes = level.gemm.lanes, columns = level.gemm.tile_columns;
    for (const std::int64_t n : {1, 3, 4, 8, 16, 17, 32, 33, 70, 100})
      for (const std::int64_t k : {1, 2, 15, 16, 37}) {
        const auto weight = random_values(n * k, 2);
        // The transposed weight has n in a row.
        std::vector<float> transposed(n * k);
        for (std::int64_t j = 0; j < n; ++j)
          for (std::int64_t l = 0; l < k; ++l) transposed[l * n + j] = weight[j * k + l];
        std::vector<float> packed((n + lanes - 1) / lanes * lanes * k, nan), from_rows = packed;
        const std::int64_t middle = n / 2 / columns * columns, part = k / 3;
        level.conv2d.pack_filters(weight.data(), n, k, middle, n, packed.data());
        level.conv2d.pack_filters(weight.data(), n, k, 0, middle, packed.data());
        level.conv2d.pack_filter_rows(transposed.data() + part * n, n, n, k, part, k - part, from_rows.data());
        level.conv2d.pack_filter_rows(transposed.data(), n, n, k, 0, part, from_rows.data());
        std::vector<float> expected(packed.size());
        for (std::int64_t j = 0; j < n; ++j) {
          const std::int64_t strip = j / columns * columns;
          const std::int64_t width = std::min(columns, (n - strip + lanes - 1) / lanes * lanes);
          for (std::int64_t l = 0; l < k; ++l) expected[strip * k + l * width + j - strip] = weight[j * k + l];
        }
        CHECK(packed == expected);
        CHECK(from_rows == expected);
      }
  }
}

TEST_CASE("the product of packed operands adds, biases and cuts off at 0, keeps NaN, and writes its part of C alone") {
  for (const Level& level : levels()) {
    CAPTURE(level.name);
    const std::int64_t columns = level.gemm.tile_columns;
    for (const std::int64_t rows : {1, 7, 13, 30})
      for (const std::int64_t n : {5, 16, 33, 70})
        for (int combination = 0; combination < 8; ++combination) {
          const std::int64_t k = 11, b_depth = 19, b_begin = 4, ldc = n + 3, gap = 5;
          const Strips strips(rows, level.gemm.tile_rows);
          const auto left = random_values(rows * k, 1), weight = random_values(n * b_depth, 2);
          auto add = random_values(rows * ldc, 3), bias = random_values(n, 4);
          bias[n - 1] = nan;
          std::vector<float> a(rows * k + strips.count * gap, nan), b((n + columns) * b_depth, nan);
          for (std::int64_t strip = 0; strip < strips.count; ++strip)
            for (std::int64_t r = 0; r < strips.rows(strip); ++r)
              for (std::int64_t l = 0; l < k; ++l)
                a[strips.begin(strip) * k + strip * gap + l * strips.rows(strip) + r] =
                    left[(strips.begin(strip) + r) * k + l];
          level.conv2d.pack_filters(weight.data(), n, b_depth, 0, n, b.data());
          const float beta = (combination & 1) != 0 ? 0.5f : 0.0f;
          const bool with_bias = (combination & 2) != 0, relu = (combination & 4) != 0;
          const std::int64_t first_strip = strips.count / 2, first_column = n > columns ? columns : 0;
          std::vector<float> c(rows * ldc, 77.0f);
          level.gemm.multiply_packed({a.data(), gap, rows, first_strip, strips.count, b.data(), b_depth, b_begin, n,
                                      first_column, n, k, beta, add.data(), with_bias ? bias.data() : nullptr, relu,
                                      c.data(), ldc});
          std::int64_t wrong = 0;
          for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t j = 0; j < ldc; ++j) {
              const float received = c[i * ldc + j];
              if (i < strips.begin(first_strip) || j < first_column || j >= n) {
                wrong += received != 77.0f;
                continue;
              }
              double sum = beta * static_cast<double>(add[i * ldc + j]) + (with_bias ? bias[j] : 0.0f);
              for (std::int64_t l = 0; l < k; ++l)
                sum += static_cast<double>(left[i * k + l]) * weight[j * b_depth + b_begin + l];
              wrong += !close(received, relu && sum < 0 ? 0.0 : sum, 1e-5, 1e-5);
            }
          CHECK(wrong == 0);
        }
  }
}

}  // namespace
}  // namespace onelogit
