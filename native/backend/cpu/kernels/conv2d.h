// Packing for convolutions as products: windows of images become strips of A, or of B for the weight's gradient,
// filters strips of B (gemm.h), without the matrix of windows in between. On one thread.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

// Windows of some output pixels, as rows of kernel pixels × channels of a group. Plain numbers of a Conv2dGeometry:
// kernels may call none of its functions.
struct Windows {
  const float* x;  // the first channel of the group of the first image's first pixel
  std::int64_t height, width, channels, group_channels;
  std::int64_t kernel_width, stride_y, stride_x, top, left, out_height, out_width;
  std::int64_t first, rows;             // output pixels, counted through all images
  std::int64_t begin, k;                // the part of each row; k ≤ most_window_part
  std::int64_t first_strip, end_strip;  // of Strips(rows, tile_rows)
};
inline constexpr std::int64_t most_window_part = 512;
// Between packed strips, so that they can be packed in any order: what the last store of one writes too much.
inline constexpr std::int64_t window_strip_gap = 16;

struct Conv2dKernels {
  // Strips of A, k deep, to out + strips.begin(strip) · k + strip · window_strip_gap.
  void (*pack_windows)(const Windows& windows, float* out);
  // Strips of B for columns [first, end), cut at multiples of tile_columns, of n: column j is row j of weight (n × k).
  void (*pack_filters)(const float* weight, std::int64_t n, std::int64_t k, std::int64_t first, std::int64_t end,
                       float* out);
  // The same for `part` … `part` + rows − 1 of a depth of k, whose row l is the n numbers at weight + l · stride.
  void (*pack_filter_rows)(const float* weight, std::int64_t stride, std::int64_t n, std::int64_t k, std::int64_t part,
                           std::int64_t rows, float* out);
  // The windows as strips of B: each is a row, `rows` are the depth; the strips they have in A do not matter.
  void (*pack_window_columns)(const Windows& windows, float* out);
  // All strips of A, one after another, from a matrix stored k × rows; may write up to window_strip_gap floats too
  // much.
  void (*pack_columns)(const float* matrix, std::int64_t stride, std::int64_t rows, std::int64_t k, float* out);
};
ONELOGIT_DECLARE_KERNELS(Conv2dKernels, conv2d_kernels)

}  // namespace onelogit
