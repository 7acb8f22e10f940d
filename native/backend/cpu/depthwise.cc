#include "backend/cpu/depthwise.h"

#include <algorithm>

#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/depthwise.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

DepthwiseShape shape_of(const Conv2dGeometry& g) {
  return {g.height,   g.width, g.channels, g.kernel_height, g.kernel_width, g.stride_y,
          g.stride_x, g.top,   g.left,     g.out_height,    g.out_width};
}

}  // namespace

void depthwise_forward(const Conv2dGeometry& geometry, const float* x, const float* packed, const float* bias,
                       const float* residual, bool relu, float* y, std::int64_t m) {
  const std::int64_t row_work = geometry.out_width * geometry.filters * geometry.kernel_pixels();
  parallel_for(m * geometry.out_height, row_grain(row_work), 1, [&](std::int64_t begin, std::int64_t end) {
    depthwise_kernels().forward(shape_of(geometry), x, packed, bias, residual, relu, y, begin, end);
  });
}

void depthwise_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                               std::int64_t m) {
  const std::int64_t rows = m * geometry.out_height, pixels = geometry.kernel_pixels();
  const std::int64_t size = pixels * geometry.channels;
  // Every slice of the rows has a sum of its own; they are added in order.
  const std::int64_t worth = row_grain(geometry.out_width * size);
  const std::int64_t slices = std::clamp<std::int64_t>(rows / worth, 1, static_cast<std::int64_t>(thread_count()));
  const std::int64_t length = (rows + slices - 1) / slices;
  float* const sums = scratch(Scratch::gradient, slices * size);
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    float* const sum = sums + slice * size;
    std::fill_n(sum, size, 0.0f);
    depthwise_kernels().backward_weight(shape_of(geometry), x, dy, sum, std::min(rows, slice * length),
                                        std::min(rows, (slice + 1) * length));
  });
  for (std::int64_t slice = 1; slice < slices; ++slice)
    elementwise_kernels().add(sums, sums + slice * size, sums, size);
  for (std::int64_t channel = 0; channel < geometry.channels; ++channel)
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
      dweight[channel * pixels + pixel] = sums[pixel * geometry.channels + channel];
}

}  // namespace onelogit
