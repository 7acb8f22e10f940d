// The gradient of a convolution's input is a convolution of dy. Pixel (iy, ix) was seen at pixel (ky, kx) of the window
// of output pixel ((iy + top − ky) / stride_y, …): pixels whose iy + top have the same remainder by the stride were
// seen by the same pixels of the filters, every stride_y-th, and neighbours among them by neighbouring outputs. So
// for each pair of remainders there is a convolution of dy with a part of the filters, turned around, of stride 1.

#include <algorithm>

#include "backend/cpu/conv2d_product.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/scratch.h"

namespace onelogit {
namespace {

// Pixels of one remainder along one side.
struct Residue {
  std::int64_t stride, padding, remainder;
  std::int64_t taps;          // pixels of the filter: remainder, remainder + stride, …
  std::int64_t begin, count;  // in units of the stride: pixel i is at (begin + i) · stride + remainder − padding

  std::int64_t pixel(std::int64_t i) const { return (begin + i) * stride + remainder - padding; }
  // Of the convolution of dy, whose first window ends at dy's pixel `begin`. Below 0: what dy has before is left out.
  std::int64_t padding_of_dy() const { return taps - 1 - begin; }
  std::int64_t turned(std::int64_t tap) const { return remainder + (taps - 1 - tap) * stride; }
  bool is_empty() const { return taps == 0 || count == 0; }
};

Residue residue_of(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                   std::int64_t remainder) {
  const auto reached = [stride](std::int64_t n) { return n <= 0 ? 0 : (n + stride - 1) / stride; };
  Residue residue{stride, padding, remainder, reached(kernel - remainder), reached(padding - remainder), 0};
  residue.count = reached(size + padding - remainder) - residue.begin;
  return residue;
}

// Numbers of a part of dx that is computed before it is put between the others.
constexpr std::int64_t part_size = std::int64_t{1} << 22;

void put_residue(const Conv2dGeometry& g, const Residue& y, const Residue& x, const float* dy, const float* weight,
                 float* dx, std::int64_t m) {
  Conv2dGeometry part;
  part.height = g.out_height;
  part.width = g.out_width;
  part.channels = g.filters;
  part.kernel_height = y.taps;
  part.kernel_width = x.taps;
  part.top = y.padding_of_dy();
  part.left = x.padding_of_dy();
  part.out_height = y.count;
  part.out_width = x.count;
  part.filters = g.channels;
  part.groups = g.groups;
  float* const filters = scratch(Scratch::filters, packed_filters_size(part));
  pack_transposed_filters(
      g, weight, part, [&](std::int64_t ky, std::int64_t kx) { return y.turned(ky) * g.kernel_width + x.turned(kx); },
      filters);
  if (g.stride_y == 1 && g.stride_x == 1) return convolve(part, dy, filters, {}, dx, m);

  const std::int64_t size = part.out_pixels() * g.channels;
  const std::int64_t images = std::clamp<std::int64_t>(part_size / size, 1, m);
  float* const pixels = scratch(Scratch::gradient, images * size);
  for (std::int64_t first = 0; first < m; first += images) {
    const std::int64_t n = std::min(images, m - first);
    convolve(part, dy + first * g.out_pixels() * g.filters, filters, {}, pixels, n);
    parallel_for(n * y.count, row_grain(x.count * g.channels), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* from = pixels + row * x.count * g.channels;
        float* const to = dx + ((first + row / y.count) * g.height + y.pixel(row % y.count)) * g.width * g.channels;
        for (std::int64_t i = 0; i < x.count; ++i, from += g.channels)
          std::copy_n(from, g.channels, to + x.pixel(i) * g.channels);
      }
    });
  }
}

}  // namespace

void CpuBackend::conv2d_backward_input(const Conv2dGeometry& g, const float* dy, const float* weight, float* dx,
                                       std::int64_t m) {
  if (m == 0) return;
  // Pixels that no window sees.
  if (g.stride_y > g.kernel_height || g.stride_x > g.kernel_width)
    zero(dx, static_cast<std::size_t>(m * g.in_pixels() * g.channels) * sizeof(float));
  // Remainders beyond the kernel have no taps.
  for (std::int64_t i = 0; i < std::min(g.stride_y, g.kernel_height); ++i)
    for (std::int64_t j = 0; j < std::min(g.stride_x, g.kernel_width); ++j) {
      const Residue y = residue_of(g.height, g.kernel_height, g.stride_y, g.top, i);
      const Residue x = residue_of(g.width, g.kernel_width, g.stride_x, g.left, j);
      if (!y.is_empty() && !x.is_empty()) put_residue(g, y, x, dy, weight, dx, m);
    }
}

}  // namespace onelogit
