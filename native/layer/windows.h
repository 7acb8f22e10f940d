// Windows over images: what layers of them have in common.
#pragma once

#include "backend/images.h"
#include "layer/layer.h"

namespace onelogit {

// The geometry of a layer with kernel, stride and padding over images of `input_shape`, height × width × channels.
// Throws ERR_ONELOGIT_LAYER for another count of axes, options out of range, padding as large as the kernel, or a
// window larger than the padded image.
Pool2dGeometry window_geometry(const LayerSpec& spec, const Shape& input_shape);
// Throws ERR_ONELOGIT_LAYER unless examples are images.
void check_image(const LayerSpec& spec, const Shape& input_shape);
Shape output_shape(const Pool2dGeometry& geometry, std::int64_t channels);

}  // namespace onelogit
