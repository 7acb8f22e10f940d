// Convolutions in which each channel has one filter of its own: sums over the pixels of windows, a vector of channels
// at a time. On one thread.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

// Plain numbers of a Conv2dGeometry: kernels may call none of its functions. A row is one row of output pixels of one
// image, counted through all images.
struct DepthwiseShape {
  std::int64_t height, width, channels, kernel_height, kernel_width, stride_y, stride_x, top, left;
  std::int64_t out_height, out_width;
};

struct DepthwiseKernels {
  // y = sums over windows of x · filters (kernel pixels × channels) + bias + residual, at least 0 if `relu`, for
  // rows [begin, end); bias and residual (of y's shape, and may be y) may be null.
  void (*forward)(const DepthwiseShape& shape, const float* x, const float* filters, const float* bias,
                  const float* residual, bool relu, float* y, std::int64_t begin, std::int64_t end);
  // sum (kernel pixels × channels) += sums of dy · x over rows [begin, end).
  void (*backward_weight)(const DepthwiseShape& shape, const float* x, const float* dy, float* sum, std::int64_t begin,
                          std::int64_t end);
};
ONELOGIT_DECLARE_KERNELS(DepthwiseKernels, depthwise_kernels)

}  // namespace onelogit
