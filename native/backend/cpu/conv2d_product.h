// Convolutions as products of windows and filters whose operands are packed straight from images: on the whole pool.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/conv2d.h"
#include "backend/cpu/threads.h"
#include "backend/images.h"

namespace onelogit {

// Filters in the order in which convolve reads them.
std::int64_t packed_filters_size(const Conv2dGeometry& geometry);  // in float32
void pack_filters(const Conv2dGeometry& geometry, const float* weight, float* packed);
// The same for `transposed`, a convolution from the filters of `geometry` to its channels, each of whose pixels (y, x)
// takes its numbers from pixel(y, x) of the filters `weight`.
void pack_transposed_filters(const Conv2dGeometry& geometry, const float* weight, const Conv2dGeometry& transposed,
                             FunctionRef<std::int64_t(std::int64_t y, std::int64_t x)> pixel, float* packed);

// The windows of one group; which of them, and what part, is still to be said.
Windows windows_of(const Conv2dGeometry& geometry, const float* x, std::int64_t group);

// y = windows of x · filters + bias + residual, at least 0 if `relu`.
struct ConvolutionEnd {
  const float* bias = nullptr;      // one per filter
  const float* residual = nullptr;  // of y's shape; may be y
  bool relu = false;
};
// `packed` is 64-byte aligned for speed. What y holds for an image depends on that image alone.
void convolve(const Conv2dGeometry& geometry, const float* x, const float* packed, const ConvolutionEnd& end, float* y,
              std::int64_t m);

}  // namespace onelogit
