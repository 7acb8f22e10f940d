// Convolutions as products of windows and filters whose operands are packed straight from images: on the whole pool.
#pragma once

#include <cstdint>

#include "backend/images.h"

namespace onelogit {

// Filters in the order in which multiply_windows reads them.
std::int64_t packed_filters_size(const Conv2dGeometry& geometry);  // in float32
void pack_filters(const Conv2dGeometry& geometry, const float* weight, float* packed);

// y = windows of x · filters + bias + residual, at least 0 if `relu`.
struct ConvolutionEnd {
  const float* bias = nullptr;      // one per filter
  const float* residual = nullptr;  // of y's shape; may be y
  bool relu = false;
};
// `packed` is 64-byte aligned for speed. What y holds for an image depends on that image alone.
void multiply_windows(const Conv2dGeometry& geometry, const float* x, const float* packed, const ConvolutionEnd& end,
                      float* y, std::int64_t m);

}  // namespace onelogit
