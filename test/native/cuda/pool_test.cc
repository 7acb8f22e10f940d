#include "backend/cuda/pool.h"

#include <doctest/doctest.h>

#include "device_array.h"
#include "image_reference.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using namespace test;

struct Case {
  Pool2dGeometry geometry;
  std::int64_t m;
  std::vector<float> x, dy;

  Case(const Pool2dGeometry& g, std::int64_t examples)
      : geometry(g),
        m(examples),
        x(random_values(m * g.in_pixels() * g.channels, 1)),
        dy(random_values(m * g.out_pixels() * g.channels, 2)) {
    // Many that are equal.
    for (float& value : x) value = std::round(value * 8) / 8;
  }
};

enum Output { largest, largest_dx, mean, mean_dx };

struct Outputs {
  std::vector<std::vector<float>> numbers;
  std::vector<std::int32_t> places;
};

Outputs on_cuda(const Case& c, bool count_padding, std::size_t shift = 0) {
  std::vector<float> x(shift);
  x.insert(x.end(), c.x.begin(), c.x.end());
  const DeviceArray<float> of_x(x), of_dy(c.dy), of_y(c.dy.size()), of_dx(c.x.size());
  const DeviceArray<std::int32_t> of_places(c.dy.size());
  Outputs out{std::vector<std::vector<float>>(4), {}};
  cuda::max_pool_forward(nullptr, c.geometry, of_x.data() + shift, of_y.data(), nullptr, c.m);
  const std::vector<float> without_places = of_y.host();
  cuda::max_pool_forward(nullptr, c.geometry, of_x.data() + shift, of_y.data(), of_places.data(), c.m);
  out.numbers[largest] = of_y.host();
  CHECK(std::equal(without_places.begin(), without_places.end(), out.numbers[largest].begin(), same));
  out.places = of_places.host();
  cuda::max_pool_backward(nullptr, c.geometry, of_places.data(), of_dy.data(), of_dx.data(), c.m);
  out.numbers[largest_dx] = of_dx.host();
  cuda::avg_pool_forward(nullptr, c.geometry, count_padding, of_x.data() + shift, of_y.data(), c.m);
  out.numbers[mean] = of_y.host();
  cuda::avg_pool_backward(nullptr, c.geometry, count_padding, of_dy.data(), of_dx.data(), c.m);
  out.numbers[mean_dx] = of_dx.host();
  return out;
}

void check_outputs(const Case& c, bool count_padding, const Outputs& received) {
  const PoolReference expected(c.geometry, count_padding, c.m, c.x, c.dy);
  CHECK(largest_error(received.numbers[largest], expected.largest, 0.0) == 0.0);
  CHECK(received.places == expected.places);
  CHECK(largest_error(received.numbers[largest_dx], expected.largest_dx, 1.0) < 1e-6);
  CHECK(largest_error(received.numbers[mean], expected.mean, 1.0) < 1e-6);
  CHECK(largest_error(received.numbers[mean_dx], expected.mean_dx, 1.0) < 1e-6);
}

TEST_CASE("cuda pools: what their definition says, the same bits in every order") {
  // {height, width, channels, kernel, stride, top, bottom, left, right}
  for (const WindowSpec& spec : {WindowSpec{1, 1, 1},
                                 {7, 8, 3, {2, 2}, {2, 2}},
                                 {8, 7, 4, {3, 3}, {2, 2}, 0, 1, 1, 1},
                                 {5, 5, 8, {3, 3}, {1, 1}, 1, 1, 1, 1},
                                 {7, 7, 36, {7, 7}},  // global
                                 {9, 8, 5, {2, 2}, {4, 3}},
                                 {2, 3, 4, {4, 5}, {1, 1}, 3, 3, 4, 4},
                                 {40, 30, 1, {3, 2}, {1, 2}, 2, 0, 1, 0}})
    for (const bool count_padding : {false, true}) {
      CAPTURE(spec.height);
      CAPTURE(spec.channels);
      CAPTURE(count_padding);
      const Case c(pool_geometry(spec), 3);
      Outputs received;
      received.numbers = same_in_every_order([&] {
        received = on_cuda(c, count_padding);
        return received.numbers;
      });
      check_outputs(c, count_padding, received);
    }
}

TEST_CASE("cuda pools: any windows, from any address") {
  std::mt19937 random(11);
  for (int turn = 0; turn < 200; ++turn) {
    CAPTURE(turn);
    const std::int64_t channels = std::uniform_int_distribution<std::int64_t>(1, 12)(random);
    const Case c(pool_geometry(random_windows(random, 10, channels)), 1 + turn % 3);
    check_outputs(c, turn % 2 == 0, on_cuda(c, turn % 2 == 0, turn % 3 == 0 ? 1 : 0));
  }
}

TEST_CASE("cuda pools: the first NaN of a window is its largest, and infinities are numbers") {
  for (const std::int64_t channels : {3, 4}) {
    Case c(pool_geometry({6, 6, channels, {3, 3}, {2, 2}, 1, 0, 1, 0}), 2);
    c.x = hostile_values(static_cast<std::int64_t>(c.x.size()), 3);
    for (std::int64_t i = 0; i < 9; ++i)  // a window of nothing but −infinity
      c.x[static_cast<std::size_t>(((i / 3 + 3) * 6 + i % 3 + 3) * channels)] = -infinity;
    const PoolReference expected(c.geometry, true, c.m, c.x, c.dy);
    const Outputs received = on_cuda(c, true);
    CHECK(largest_error(received.numbers[largest], expected.largest, 0.0) == 0.0);
    CHECK(received.places == expected.places);
    CHECK(largest_error(received.numbers[mean], expected.mean, 1.0) < 1e-5);
  }
}

TEST_CASE("cuda pools: the mean of a large image, and no examples") {
  Case c(pool_geometry({200, 300, 2, {200, 300}}), 1);
  for (float& value : c.x) value += 1000;
  check_outputs(c, true, on_cuda(c, true));
  const Case none(pool_geometry({4, 4, 3, {2, 2}}), 0);
  CHECK(on_cuda(none, true).numbers[mean].empty());
}

}  // namespace
}  // namespace onelogit
