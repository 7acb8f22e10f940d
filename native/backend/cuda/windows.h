// Windows over images as kernels see them (backend/images.h). Threads are matrix_threads over pixels × channels: a warp
// reads and writes neighbouring channels.
#pragma once

#include "backend/cuda/launch.h"
#include "backend/images.h"

namespace onelogit::cuda {

// Extents are at most 2^20 (layer/windows.cc): what is computed from a few of them is an int.
struct Windows {
  int height, width, kernel_height, kernel_width, stride_y, stride_x, top, left, out_height, out_width;
  std::int64_t channels;

  explicit Windows(const Pool2dGeometry& g)
      : height(static_cast<int>(g.height)),
        width(static_cast<int>(g.width)),
        kernel_height(static_cast<int>(g.kernel_height)),
        kernel_width(static_cast<int>(g.kernel_width)),
        stride_y(static_cast<int>(g.stride_y)),
        stride_x(static_cast<int>(g.stride_x)),
        top(static_cast<int>(g.top)),
        left(static_cast<int>(g.left)),
        out_height(static_cast<int>(g.out_height)),
        out_width(static_cast<int>(g.out_width)),
        channels(g.channels) {}
};

struct Pixel {
  std::int64_t image;
  int y, x;
};
// Pixel `number` of images of height × width, counted through all of them.
__device__ __forceinline__ Pixel pixel_of(std::int64_t number, int height, int width) {
  const std::int64_t row = number / width, image = row / height;
  return {image, static_cast<int>(row - image * height), static_cast<int>(number - row * width)};
}

// From `first` to before `end`.
struct Span {
  int first, end;
};

// What of window `number` along an axis lies in the image.
__device__ __forceinline__ Span inside(int number, int stride, int padding, int kernel, int extent) {
  const int begin = number * stride - padding, end = begin + kernel;
  return {begin > 0 ? begin : 0, end < extent ? end : extent};
}
__device__ __forceinline__ Span rows_inside(const Windows& w, int y) {
  return inside(y, w.stride_y, w.top, w.kernel_height, w.height);
}
__device__ __forceinline__ Span columns_inside(const Windows& w, int x) {
  return inside(x, w.stride_x, w.left, w.kernel_width, w.width);
}

// The windows along an axis that position `at` of the image lies in.
__device__ __forceinline__ Span covering(int at, int stride, int padding, int kernel, int windows) {
  const int from_start = at + padding, end = from_start / stride + 1;
  return {from_start < kernel ? 0 : (from_start - kernel) / stride + 1, end < windows ? end : windows};
}
__device__ __forceinline__ Span rows_covering(const Windows& w, int y) {
  return covering(y, w.stride_y, w.top, w.kernel_height, w.out_height);
}
__device__ __forceinline__ Span columns_covering(const Windows& w, int x) {
  return covering(x, w.stride_x, w.left, w.kernel_width, w.out_width);
}

}  // namespace onelogit::cuda
