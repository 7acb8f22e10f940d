// Convolutions against their definition, in workspaces of every size.

#include "backend/cuda/conv2d.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "backend/cuda/cuda_backend.h"
#include "device_array.h"
#include "error.h"
#include "image_reference.h"
#include "random_values.h"
#include "same_bits.h"
#include "small_run.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using namespace test;

struct Case {
  Conv2dGeometry geometry;
  std::int64_t m;
  std::vector<float> x, weight, bias, dy, residual;

  Case(const Conv2dGeometry& g, std::int64_t examples)
      : geometry(g),
        m(examples),
        x(random_values(m * g.in_pixels() * g.channels, 1)),
        weight(random_values(g.filters * g.filter_size(), 2)),
        bias(random_values(g.filters, 3)),
        dy(random_values(m * g.out_pixels() * g.filters, 4)),
        residual(random_values(m * g.out_pixels() * g.filters, 5)) {}

  std::int64_t window() const { return cuda::window_size(geometry); }
  Conv2dReference reference() const { return {geometry, m, x, weight, dy}; }
};

enum Output { y, dx, dweight, dbias, without_bias, inference, onto_residual, plain_inference };
using Outputs = std::vector<std::vector<float>>;

// `shift`: numbers that pointers are beyond a multiple of four.
Outputs on_cuda(const Case& c, std::size_t workspace, Precision precision = Precision::float32, std::size_t shift = 0) {
  CudaBackend cuda(precision, workspace);
  const auto shifted = [&](const std::vector<float>& values) {
    std::vector<float> more(shift);
    more.insert(more.end(), values.begin(), values.end());
    return more;
  };
  DeviceArray<float> of_x(shifted(c.x)), of_weight(c.weight), of_bias(c.bias), of_dy(c.dy),
      of_residual(shifted(c.residual)), of_y(c.dy.size() + shift), of_dx(c.x.size() + shift),
      of_dweight(c.weight.size()), of_dbias(c.bias.size());
  float *const x_ = of_x.data() + shift, *const y_ = of_y.data() + shift, *const residual = of_residual.data() + shift;
  Outputs out(8);
  const auto host = [&](const DeviceArray<float>& array) {
    const std::vector<float> all = array.host();
    return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(shift), all.end());
  };
  cuda.conv2d_forward(c.geometry, x_, of_weight.data(), of_bias.data(), y_, c.m);
  out[y] = host(of_y);
  cuda.conv2d_forward(c.geometry, x_, of_weight.data(), nullptr, y_, c.m);
  out[without_bias] = host(of_y);
  cuda.conv2d_backward_input(c.geometry, of_dy.data(), of_weight.data(), of_dx.data() + shift, c.m);
  out[dx] = host(of_dx);
  cuda.conv2d_backward_weight(c.geometry, x_, of_dy.data(), of_dweight.data(), of_dbias.data(), c.m);
  out[dweight] = of_dweight.host();
  out[dbias] = of_dbias.host();
  const auto convolution = cuda.make_conv2d_inference(c.geometry, of_weight.data(), of_bias.data()),
             plain = cuda.make_conv2d_inference(c.geometry, of_weight.data(), nullptr);
  // They have copies.
  cuda.zero(of_weight.data(), c.weight.size() * sizeof(float));
  cuda.zero(of_bias.data(), c.bias.size() * sizeof(float));
  convolution->run(x_, residual, true, y_, c.m);
  out[inference] = host(of_y);
  convolution->run(x_, residual, false, residual, c.m);
  out[onto_residual] = host(of_residual);
  plain->run(x_, nullptr, false, y_, c.m);
  out[plain_inference] = host(of_y);
  return out;
}

void check_outputs(const Case& c, const Outputs& received, double most = 1e-5) {
  const Conv2dReference expected = c.reference();
  std::vector<double> with_bias = expected.y, with_residual, above_zero;
  for (std::size_t i = 0; i < with_bias.size(); ++i) {
    with_bias[i] += static_cast<double>(c.bias[i % c.bias.size()]);
    with_residual.push_back(with_bias[i] + static_cast<double>(c.residual[i]));
    above_zero.push_back(std::max(with_residual[i], 0.0));
  }
  CHECK(largest_error(received[y], with_bias, 1.0) < most);
  CHECK(largest_error(received[without_bias], expected.y, 1.0) < most);
  CHECK(largest_error(received[dx], expected.dx, 1.0) < most);
  CHECK(largest_error(received[dweight], expected.dweight, 1.0) < most);
  CHECK(largest_error(received[dbias], expected.dbias, 1.0) < 1e-5);
  CHECK(largest_error(received[inference], above_zero, 1.0) < most);
  CHECK(largest_error(received[onto_residual], with_residual, 1.0) < most);
  CHECK(received[plain_inference] == received[without_bias]);
}

// {height, width, channels, kernel, stride, top, bottom, left, right}, filters, groups
std::vector<Conv2dGeometry> geometries() {
  return {
      conv2d_geometry({1, 1, 1}, 1),
      conv2d_geometry({5, 4, 6}, 3),                                 // pixels: a plain product
      conv2d_geometry({5, 4, 8}, 12, 4),                             // the same in groups
      conv2d_geometry({5, 4, 4, {1, 1}, {2, 2}}, 3),                 // pixels that are left out
      conv2d_geometry({4, 4, 3, {1, 1}, {1, 1}, 0, 0, 0, 0}, 2, 1),  //
      conv2d_geometry({6, 7, 4, {3, 3}, {1, 1}, 1, 1, 1, 1}, 8),     //
      conv2d_geometry({7, 6, 3, {3, 3}, {2, 2}, 0, 1, 0, 1}, 5),     // odd padding, as `same` has it
      conv2d_geometry({9, 8, 8, {5, 3}, {2, 3}, 2, 1, 1, 2}, 4, 2),  // groups of four channels
      conv2d_geometry({5, 5, 6, {3, 3}, {1, 1}, 1, 1, 1, 1}, 6, 6),  // a group a channel
      conv2d_geometry({8, 9, 4, {2, 2}, {3, 4}}, 4),                 // gaps between windows
      conv2d_geometry({3, 3, 5, {3, 3}}, 7),                         // the whole image
      conv2d_geometry({2, 3, 4, {5, 5}, {1, 1}, 4, 4, 4, 4}, 4),     // larger than the image
      conv2d_geometry({12, 2, 1, {11, 2}, {4, 1}, 3, 3, 0, 1}, 33),
  };
}

TEST_CASE("cuda conv2d: what its definition says, the same bits in every order, in workspaces of every size") {
  for (const Conv2dGeometry& geometry : geometries()) {
    CAPTURE(geometry.kernel_height);
    CAPTURE(geometry.channels);
    CAPTURE(geometry.filters);
    CAPTURE(geometry.groups);
    const Case c(geometry, 3);
    // One window; some of a row; a part of an image; an image and more; all.
    for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{3}, geometry.out_pixels() - 1,
                                    geometry.out_pixels() + 1, std::int64_t{1} << 20}) {
      if (rows < 1) continue;
      CAPTURE(rows);
      const auto workspace = std::min<std::size_t>(static_cast<std::size_t>(rows * c.window()) * sizeof(float) + 3,
                                                   cuda::Convolutions::default_workspace);
      check_outputs(c, same_in_every_order([&] { return on_cuda(c, workspace); }));
    }
  }
}

TEST_CASE("cuda conv2d: any geometry and any workspace, from any address") {
  std::mt19937 random(7);
  const auto from = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  for (int turn = 0, turns = small_run() ? 25 : 150; turn < turns; ++turn) {
    CAPTURE(turn);
    const std::int64_t groups = from(1, 3), channels = groups * from(1, 5), filters = groups * from(1, 5);
    const Case c(conv2d_geometry(random_windows(random, 9, channels), filters, groups), from(1, 4));
    const auto workspace = static_cast<std::size_t>(c.window() * from(1, 40)) * sizeof(float);
    check_outputs(c, on_cuda(c, workspace, Precision::float32, turn % 2 == 0 ? 0 : 1));
  }
}

TEST_CASE("cuda conv2d: more rows than a launch has threads for, and no examples") {
  const Case many(conv2d_geometry({40, 41, 1, {3, 3}, {1, 1}, 1, 1, 1, 1}, 2), 20);
  check_outputs(many, on_cuda(many, cuda::Convolutions::default_workspace), 1e-4);
  const Case none(conv2d_geometry({4, 4, 3, {3, 3}}, 2), 0);
  const Outputs received = on_cuda(none, 1 << 20);
  CHECK(received[y].empty());
  CHECK(received[dx].empty());
  CHECK(received[dweight] == std::vector<float>(none.weight.size(), 0.0f));
  CHECK(received[dbias] == std::vector<float>(2, 0.0f));
}

TEST_CASE("cuda conv2d: a window that does not fit the workspace is an error that says so") {
  const Case c(conv2d_geometry({4, 4, 5, {3, 3}, {1, 1}, 1, 1, 1, 1}, 2), 2);
  check_outputs(c, on_cuda(c, 45 * sizeof(float)));
  for (const auto& [precision, numbers] : {std::pair{Precision::float32, 44}, std::pair{Precision::bfloat16, 44}}) {
    const auto bytes = static_cast<std::size_t>(numbers) * (precision == Precision::float32 ? 4 : 2);
    try {
      on_cuda(c, bytes, precision);
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_ONELOGIT_RANGE");
      CHECK(std::string(error.what()) ==
            "Expected windows of at most 44 numbers for a convolution on the GPU but received 45");
    }
  }
}

TEST_CASE("cuda conv2d: what is no number stays within its windows") {
  Case c(conv2d_geometry({6, 6, 4, {3, 3}, {1, 1}, 1, 1, 1, 1}, 4), 2);
  c.x[4 * (2 * 6 + 3) + 1] = nan;
  c.dy[4 * (5 * 6 + 0) + 2] = infinity;
  const Conv2dReference expected = c.reference();
  const Outputs received = on_cuda(c, static_cast<std::size_t>(c.window()) * 13 * sizeof(float));
  for (std::size_t i = 0; i < expected.y.size(); ++i)
    CHECK(std::isnan(received[inference][i]) == std::isnan(expected.y[i]));  // also after the maximum with 0
  for (std::size_t i = 0; i < expected.dx.size(); ++i)
    CHECK(std::isfinite(received[dx][i]) == std::isfinite(expected.dx[i]));
}

TEST_CASE("cuda conv2d: in tf32 and bfloat16, that of rounded operands") {
  for (const Conv2dGeometry& geometry :
       {conv2d_geometry({6, 7, 4, {3, 3}, {1, 1}, 1, 1, 1, 1}, 8), conv2d_geometry({6, 7, 4}, 8, 2),
        conv2d_geometry({7, 6, 3, {3, 2}, {2, 2}, 0, 1, 0, 1}, 5)}) {
    Case c(geometry, 3);
    const auto workspace = static_cast<std::size_t>(c.window()) * 30 * sizeof(float);
    const Outputs exact = on_cuda(c, workspace);
    for (const auto& [precision, most] : {std::pair{Precision::tf32, 1e-2}, std::pair{Precision::bfloat16, 1e-1}}) {
      const Outputs rounded = on_cuda(c, workspace, precision);
      for (const Output output : {y, dx, dweight}) {
        const double error = largest_error(rounded[output], exact[output], 1.0);
        CHECK(error < most);
#if defined(ONELOGIT_CUDA_HOST)  // cuBLAS may take float32 for products as small as these
        CHECK(error > 1e-6);
#endif
      }
    }
    // Operands that bfloat16 has exactly.
    for (std::vector<float>* const values : {&c.x, &c.weight, &c.dy})
      for (float& value : *values) value = bfloat16_to_float32(float32_to_bfloat16(value));
    check_outputs(c, on_cuda(c, workspace, Precision::bfloat16));
  }
}

TEST_CASE("cuda conv2d: two threads may ask the same backend") {
  constexpr std::size_t turns = 30;
  const Case c(conv2d_geometry({9, 9, 4, {3, 3}, {1, 1}, 1, 1, 1, 1}, 6), 2);
  CudaBackend cuda(Precision::float32, static_cast<std::size_t>(c.window()) * 5 * sizeof(float));  // many parts
  const DeviceArray<float> weight(c.weight);
  const auto convolution = cuda.make_conv2d_inference(c.geometry, weight.data(), nullptr);
  std::vector<float> received[2];
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  threads.reserve(2);
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&, t] {
      std::vector<float> values = c.x;
      if (t == 1)
        for (float& value : values) value = -value;
      const DeviceArray<float> x(values), out(c.dy.size() * turns);
      for (++ready; ready < 2;) std::this_thread::yield();
      for (std::size_t turn = 0; turn < turns; ++turn)
        convolution->run(x.data(), nullptr, false, out.data() + turn * c.dy.size(), c.m);
      received[t].resize(c.dy.size() * turns);
      cuda.download(received[t].data(), out.data(), received[t].size() * sizeof(float));
    });
  for (std::thread& thread : threads) thread.join();
  const Conv2dReference expected = c.reference();
  for (int t = 0; t < 2; ++t) {
    std::vector<double> of_thread;
    of_thread.reserve(received[t].size());
    for (std::size_t i = 0; i < received[t].size(); ++i)
      of_thread.push_back(expected.y[i % expected.y.size()] * (t == 0 ? 1 : -1));
    CHECK(largest_error(received[t], of_thread, 1.0) < 1e-5);
  }
}

#if defined(ONELOGIT_CUDA_HOST)  // which can count
TEST_CASE("cuda conv2d: allocates once, and waits for nothing") {
  const Case c(conv2d_geometry({6, 7, 4, {3, 3}, {1, 1}, 1, 1, 1, 1}, 8), 3);
  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    CudaBackend cuda(precision, 4096);
    const DeviceArray<float> x(c.x), weight(c.weight), bias(c.bias), dy(c.dy), y_(c.dy.size()), dx_(c.x.size()),
        dweight_(c.weight.size()), dbias_(c.bias.size());
    for (int turn = 0; turn < 3; ++turn) {
      cuda_host::reset_counts();
      cuda.conv2d_forward(c.geometry, x.data(), weight.data(), bias.data(), y_.data(), c.m);
      cuda.conv2d_backward_input(c.geometry, dy.data(), weight.data(), dx_.data(), c.m);
      cuda.conv2d_backward_weight(c.geometry, x.data(), dy.data(), dweight_.data(), dbias_.data(), c.m);
      CHECK((cuda_host::counts().allocations > 0) == (turn == 0));
      if (turn > 0) CHECK(cuda_host::counts().frees == 0);
      CHECK(cuda_host::counts().waits == 0);
    }
    // A smaller and a larger one use the same workspace.
    const Case other(conv2d_geometry({9, 5, 4, {2, 3}}, 3), 2);
    const DeviceArray<float> other_x(other.x), other_weight(other.weight), other_y(other.dy.size());
    cuda_host::reset_counts();
    cuda.conv2d_forward(other.geometry, other_x.data(), other_weight.data(), nullptr, other_y.data(), other.m);
    CHECK(cuda_host::counts().allocations == 0);
  }
}
#endif

}  // namespace
}  // namespace onelogit
