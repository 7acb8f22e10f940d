#include "backend/cuda/conv2d.h"

#include <algorithm>
#include <string>

#include "backend/cuda/dense.h"
#include "backend/cuda/epilogue.h"
#include "backend/cuda/window_matrix.h"
#include "error.h"

namespace onelogit::cuda {
namespace {

// Rows that tiles of a product are made of.
constexpr std::int64_t tile_rows = 64;

std::int64_t width(CublasType type) { return type == CublasType::float32 ? 4 : 2; }

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

const void* moved(const void* matrix, CublasType type, std::int64_t elements) {
  return static_cast<const std::byte*>(matrix) + elements * width(type);
}

// body(part) for parts of the output pixels of m images, in order, of at most `most` rows: each is some images'
// windows, or, where an image has more than that, some of one image's. Parts are of about the same size.
template <class Body>
void for_each_part(const Conv2dGeometry& geometry, std::int64_t m, std::int64_t most, const Body& body) {
  const std::int64_t pixels = geometry.out_pixels();
  if (m == 0 || pixels == 0) return;
  if (pixels <= most) {
    const std::int64_t images = divided_up(m, divided_up(m, most / pixels));
    for (std::int64_t image = 0; image < m; image += images)
      body(WindowRows{image * pixels, std::min(images, m - image) * pixels});
    return;
  }
  const std::int64_t even = divided_up(pixels, divided_up(pixels, most)),
                     rows = std::min(divided_up(even, tile_rows) * tile_rows, most);
  for (std::int64_t image = 0; image < m; ++image)
    for (std::int64_t pixel = 0; pixel < pixels; pixel += rows)
      body(WindowRows{image * pixels + pixel, std::min(rows, pixels - pixel)});
}

}  // namespace

void* Convolutions::workspace() {
  if (workspace_.size() == 0) workspace_ = DeviceBuffer<std::byte>(workspace_bytes_, "the workspace of convolutions");
  return workspace_.data();
}

std::int64_t Convolutions::most_rows(const Conv2dGeometry& geometry, CublasType type) const {
  const std::int64_t size = window_size(geometry), most = static_cast<std::int64_t>(workspace_bytes_) / width(type);
  if (size > most)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected windows of at most " + std::to_string(most) +
                    " numbers for a convolution on the GPU but received " + std::to_string(size));
  return most / std::max<std::int64_t>(size, 1);
}

void Convolutions::for_each_matrix(const Conv2dGeometry& geometry, const float* x, std::int64_t m,
                                   const std::function<void(WindowMatrix, WindowRows)>& body) {
  const std::int64_t rows = m * geometry.out_pixels();
  if (geometry.is_product() || rows == 0) return body({x}, {0, rows});
  const bool narrow = queue_.products.precision() == Precision::bfloat16;
  const CublasType type = narrow ? CublasType::bfloat16 : CublasType::float32;
  const std::int64_t most = most_rows(geometry, type);
  const std::lock_guard<std::mutex> lock(mutex_);
  void* const matrix = workspace();
  for_each_part(geometry, m, most, [&](WindowRows part) {
    if (narrow)
      windows_to_matrix(queue_.stream, geometry, x, part, static_cast<std::uint16_t*>(matrix));
    else
      windows_to_matrix(queue_.stream, geometry, x, part, static_cast<float*>(matrix));
    body({matrix, type}, part);
  });
}

void Convolutions::forward(const Conv2dGeometry& geometry, const float* x, FilterBank weight, const Epilogue& epilogue,
                           float* y, std::int64_t m) {
  const std::int64_t size = geometry.filter_size(), filters = geometry.group_filters();
  const bool in_place = epilogue.residual == y;  // the product is added to it
  for_each_matrix(geometry, x, m, [&](WindowMatrix windows, WindowRows part) {
    for (std::int64_t group = 0; group < geometry.groups; ++group)
      queue_.products.multiply({.transpose_b = true,
                                .m = part.rows,
                                .n = filters,
                                .k = size,
                                .a = moved(windows.data, windows.type, group * size),
                                .a_type = windows.type,
                                .lda = window_size(geometry),
                                .b = moved(weight.data, weight.type, group * filters * size),
                                .b_type = weight.type,
                                .ldb = size,
                                .beta = in_place ? 1.0f : 0.0f,
                                .c = y + part.first * geometry.filters + group * filters,
                                .ldc = geometry.filters});
  });
  finish_product(queue_.stream, epilogue.bias, in_place ? nullptr : epilogue.residual, epilogue.relu, y,
                 m * geometry.out_pixels(), geometry.filters);
}

void Convolutions::backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx,
                                  std::int64_t m) {
  const std::int64_t size = geometry.filter_size(), filters = geometry.group_filters();
  const auto multiply = [&](WindowRows part, float* windows) {
    for (std::int64_t group = 0; group < geometry.groups; ++group)
      queue_.products.multiply({.m = part.rows,
                                .n = size,
                                .k = filters,
                                .a = dy + part.first * geometry.filters + group * filters,
                                .lda = geometry.filters,
                                .b = weight + group * filters * size,
                                .ldb = size,
                                .c = windows + group * size,
                                .ldc = window_size(geometry)});
  };
  if (geometry.is_product()) return multiply({0, m * geometry.out_pixels()}, dx);
  const std::int64_t most = most_rows(geometry, CublasType::float32);
  const std::lock_guard<std::mutex> lock(mutex_);
  auto* const matrix = static_cast<float*>(workspace());
  // Parts of one image are added; whole images are written in full.
  if (geometry.out_pixels() > most || geometry.out_pixels() == 0)
    check(cudaMemsetAsync(dx, 0, static_cast<std::size_t>(m * geometry.in_pixels() * geometry.channels) * sizeof(float),
                          queue_.stream),
          "zeros");
  for_each_part(geometry, m, most, [&](WindowRows part) {
    multiply(part, matrix);
    matrix_to_images(queue_.stream, geometry, matrix, part, dx);
  });
}

void Convolutions::backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                                   float* dbias, std::int64_t m) {
  const std::int64_t size = geometry.filter_size(), filters = geometry.group_filters();
  for_each_matrix(geometry, x, m, [&](WindowMatrix windows, WindowRows part) {
    for (std::int64_t group = 0; group < geometry.groups; ++group)
      queue_.products.multiply({.transpose_a = true,
                                .m = filters,
                                .n = size,
                                .k = part.rows,
                                .a = dy + part.first * geometry.filters + group * filters,
                                .lda = geometry.filters,
                                .b = moved(windows.data, windows.type, group * size),
                                .b_type = windows.type,
                                .ldb = window_size(geometry),
                                .beta = part.first == 0 ? 0.0f : 1.0f,
                                .c = dweight + group * filters * size,
                                .ldc = size});
  });
  if (dbias != nullptr)
    column_sums(queue_.stream, queue_.scratch, dy, dbias, m * geometry.out_pixels(), geometry.filters);
}

}  // namespace onelogit::cuda
