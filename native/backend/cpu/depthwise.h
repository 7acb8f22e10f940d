// Convolutions in which each channel has one filter of its own ("depthwise"): as products of matrices, each would be
// of a single column.
#pragma once

#include <cstdint>

#include "backend/images.h"

namespace onelogit {

inline bool is_depthwise(const Conv2dGeometry& geometry) {
  return geometry.groups == geometry.channels && geometry.groups == geometry.filters;
}

// Of conv2d_product.h, for such convolutions. `packed` is kernel pixels × channels.
void depthwise_forward(const Conv2dGeometry& geometry, const float* x, const float* packed, const float* bias,
                       const float* residual, bool relu, float* y, std::int64_t m);
void depthwise_backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight,
                               std::int64_t m);

}  // namespace onelogit
