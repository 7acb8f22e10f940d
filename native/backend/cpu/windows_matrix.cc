#include "backend/cpu/windows_matrix.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/kernels/elementwise.h"

namespace onelogit {
namespace {

// Calls piece(place in the row, place in x or −1 for padding, length) for all of the window of one output pixel, front
// to back. What of a window's row lies side by side in the image is one piece.
template <class Piece>
void for_each_piece(const Conv2dGeometry& g, std::int64_t group, std::int64_t pixel, Piece&& piece) {
  const std::int64_t image = pixel / g.out_pixels(), within = pixel % g.out_pixels();
  const std::int64_t y = within / g.out_width * g.stride_y - g.top, x = within % g.out_width * g.stride_x - g.left;
  const std::int64_t channels = g.group_channels(), row_size = g.kernel_width * channels;
  // Columns of the window inside the image.
  const std::int64_t begin = std::clamp<std::int64_t>(-x, 0, g.kernel_width);
  const std::int64_t end = std::clamp<std::int64_t>(g.width - x, begin, g.kernel_width);
  for (std::int64_t ky = 0; ky < g.kernel_height; ++ky) {
    const std::int64_t at = ky * row_size;
    if (y + ky < 0 || y + ky >= g.height || begin == end) {
      piece(at, -1, row_size);
      continue;
    }
    const std::int64_t from = ((image * g.height + y + ky) * g.width + x) * g.channels + group * channels;
    if (begin > 0) piece(at, -1, begin * channels);
    if (channels == g.channels) {
      piece(at + begin * channels, from + begin * channels, (end - begin) * channels);
    } else {
      for (std::int64_t kx = begin; kx < end; ++kx) piece(at + kx * channels, from + kx * g.channels, channels);
    }
    if (end < g.kernel_width) piece(at + end * channels, -1, (g.kernel_width - end) * channels);
  }
}

}  // namespace

void gather_windows(const Conv2dGeometry& geometry, const float* x, std::int64_t group, std::int64_t first,
                    std::int64_t rows, float* out) {
  for (std::int64_t row = 0; row < rows; ++row, out += geometry.filter_size())
    for_each_piece(geometry, group, first + row, [&](std::int64_t to, std::int64_t from, std::int64_t length) {
      if (from < 0) {
        std::memset(out + to, 0, static_cast<std::size_t>(length) * sizeof(float));
      } else {
        std::memcpy(out + to, x + from, static_cast<std::size_t>(length) * sizeof(float));
      }
    });
}

void scatter_windows(const Conv2dGeometry& geometry, const float* rows_of_windows, std::int64_t group,
                     std::int64_t first, std::int64_t rows, float* x) {
  const ElementwiseKernels& kernels = elementwise_kernels();
  for (std::int64_t row = 0; row < rows; ++row, rows_of_windows += geometry.filter_size())
    for_each_piece(geometry, group, first + row, [&](std::int64_t from, std::int64_t to, std::int64_t length) {
      if (to >= 0) kernels.add(rows_of_windows + from, x + to, x + to, length);
    });
}

}  // namespace onelogit
