// Sums, copies and normalisation of images.

#include <doctest/doctest.h>

#include "backend/cuda/copies.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/local_response_norm.h"
#include "device_array.h"
#include "image_reference.h"
#include "random_values.h"
#include "same_bits.h"
#include "small_run.h"

namespace onelogit {
namespace {

using namespace test;

using Arrays = std::vector<std::vector<float>>;

TEST_CASE("cuda add: any length, from any address, and onto either") {
  for (const std::int64_t size : edge_lengths)
    for (const std::size_t shift : {0u, 1u}) {
      const std::vector<float> a = hostile_values(size, 1), b = hostile_values(size, 2);
      std::vector<float> shifted_b(shift);
      shifted_b.insert(shifted_b.end(), b.begin(), b.end());
      std::vector<float> expected = a;
      for (std::size_t i = 0; i < a.size(); ++i) expected[i] += b[i];
      const Arrays received = same_in_every_order([&] {
        const DeviceArray<float> of_a(a), of_b(shifted_b), of_y(a.size());
        cuda::add(nullptr, of_a.data(), of_b.data() + shift, of_y.data(), size);
        cuda::add(nullptr, of_a.data(), of_b.data() + shift, of_a.data(), size);
        cuda::add(nullptr, of_y.data(), of_y.data(), of_y.data(), 0);
        return Arrays{of_y.host(), of_a.host()};
      });
      CAPTURE(size);
      CHECK(std::equal(expected.begin(), expected.end(), received[0].begin(), same));
      CHECK(std::equal(expected.begin(), expected.end(), received[1].begin(), same));
    }
  if (small_run()) return;
  // More than a launch has threads for.
  const std::vector<float> many = random_values(3, 3);
  const std::int64_t size = 65535 * 256 + 3;
  const DeviceArray<float> x(static_cast<std::size_t>(size) + 1);
  CHECK(cudaMemsetAsync(x.data(), 0, (static_cast<std::size_t>(size) + 1) * sizeof(float), nullptr) == cudaSuccess);
  CHECK(cudaMemcpyAsync(x.data() + size - 2, many.data(), 12, cudaMemcpyHostToDevice, nullptr) == cudaSuccess);
  cuda::add(nullptr, x.data() + 1, x.data() + 1, x.data() + 1, size);
  std::vector<float> end(3);
  CHECK(cudaMemcpyAsync(end.data(), x.data() + size - 2, 12, cudaMemcpyDeviceToHost, nullptr) == cudaSuccess);
  CHECK(cudaStreamSynchronize(nullptr) == cudaSuccess);
  for (std::size_t i = 0; i < 3; ++i) CHECK(end[i] == 2 * many[i]);
}

TEST_CASE("cuda copy columns: within longer rows, and what lies between stays") {
  struct Size {
    std::int64_t rows, columns, ldx, ldy;
  };
  for (const Size& size : {Size{1, 1, 1, 1},
                           {7, 4, 4, 8},
                           {5, 8, 12, 16},
                           {33, 3, 5, 4},
                           {3, 130, 132, 140},
                           {600, 4, 9, 7},
                           {0, 4, 4, 4},
                           {4, 0, 4, 4}}) {
    CAPTURE(size.rows);
    CAPTURE(size.columns);
    const std::vector<float> x = hostile_values(size.rows * size.ldx, 1), y = random_values(size.rows * size.ldy, 2);
    std::vector<float> expected = y;
    for (std::int64_t i = 0; i < size.rows; ++i)
      for (std::int64_t j = 0; j < size.columns; ++j)
        expected[static_cast<std::size_t>(i * size.ldy + j)] = x[static_cast<std::size_t>(i * size.ldx + j)];
    const Arrays received = same_in_every_order([&] {
      const DeviceArray<float> of_x(x), of_y(y);
      cuda::copy_columns(nullptr, of_x.data(), size.ldx, of_y.data(), size.ldy, size.rows, size.columns);
      return Arrays{of_y.host()};
    });
    CHECK(std::equal(expected.begin(), expected.end(), received[0].begin(), same));
  }
}

TEST_CASE("cuda place images: in zeros, cropped, or both; and back") {
  struct Place {
    std::int64_t height, width, out_height, out_width, channels, top, left;
  };
  for (const Place& p : {Place{3, 4, 5, 7, 3, 1, 2},
                         {3, 4, 5, 7, 8, 1, 2},
                         {6, 5, 3, 3, 4, -2, -1},
                         {4, 4, 4, 4, 4, -1, 2},
                         {2, 2, 3, 3, 1, 5, 0},
                         {2, 2, 40, 30, 5, 20, 7}}) {
    CAPTURE(p.channels);
    CAPTURE(p.top);
    const std::int64_t m = 3;
    const std::vector<float> x = random_values(m * p.height * p.width * p.channels, 1);
    std::vector<float> expected(static_cast<std::size_t>(m * p.out_height * p.out_width * p.channels)), back(x.size());
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t row = 0; row < p.height; ++row)
        for (std::int64_t column = 0; column < p.width; ++column)
          for (std::int64_t c = 0; c < p.channels; ++c) {
            const std::int64_t out_row = row + p.top, out_column = column + p.left;
            if (out_row < 0 || out_row >= p.out_height || out_column < 0 || out_column >= p.out_width) continue;
            const auto from = static_cast<std::size_t>(((i * p.height + row) * p.width + column) * p.channels + c);
            expected[static_cast<std::size_t>(((i * p.out_height + out_row) * p.out_width + out_column) * p.channels +
                                              c)] = back[from] = x[from];
          }
    const Arrays received = same_in_every_order([&] {
      const DeviceArray<float> of_x(x), of_y(expected.size()), of_dx(x.size());
      cuda::place_images(nullptr, of_x.data(), p.height, p.width, of_y.data(), p.out_height, p.out_width, p.channels,
                         p.top, p.left, m);
      cuda::place_images(nullptr, of_y.data(), p.out_height, p.out_width, of_dx.data(), p.height, p.width, p.channels,
                         -p.top, -p.left, m);
      return Arrays{of_y.host(), of_dx.host()};
    });
    CHECK(received[0] == expected);
    CHECK(received[1] == back);
  }
}

TEST_CASE("cuda local response normalisation: what its definition says, the same bits in every order") {
  struct Shape {
    std::int64_t rows, channels;
  };
  for (const LocalResponseNorm& norm : {LocalResponseNorm{},
                                        {5, 0.5f, 0.75f, 2.0f},
                                        {2, 1.0f, 0.5f, 1.0f},
                                        {1, 0.3f, 1.5f, 0.5f},
                                        {64, 2.0f, 0.75f, 1.0f}})
    for (const auto& [rows, channels] : {Shape{1, 1}, {3, 4}, {40, 33}, {600, 6}, {2, 300}, {0, 5}}) {
      CAPTURE(norm.size);
      CAPTURE(rows);
      CAPTURE(channels);
      const std::vector<float> x = random_values(rows * channels, 1, -3, 3), dy = random_values(rows * channels, 2);
      const LocalResponseNormReference expected(norm, rows, channels, x, dy);
      const Arrays received = same_in_every_order([&, rows = rows, channels = channels] {
        const DeviceArray<float> of_x(x), of_dy(dy), y(x.size()), y_alone(x.size()), scale(x.size()), dx(x.size());
        cuda::local_response_norm_forward(nullptr, norm, of_x.data(), y.data(), scale.data(), rows, channels);
        cuda::local_response_norm_forward(nullptr, norm, of_x.data(), y_alone.data(), nullptr, rows, channels);
        cuda::local_response_norm_backward(nullptr, norm, of_x.data(), scale.data(), of_dy.data(), dx.data(), rows,
                                           channels);
        return Arrays{y.host(), scale.host(), dx.host(), y_alone.host()};
      });
      CHECK(largest_error(received[0], expected.y, 1.0) < 1e-5);
      CHECK(largest_error(received[1], expected.scale, 1.0) < 1e-5);
      CHECK(largest_error(received[2], expected.dx, 1.0) < 1e-5);
      CHECK(received[3] == received[0]);
    }
}

}  // namespace
}  // namespace onelogit
