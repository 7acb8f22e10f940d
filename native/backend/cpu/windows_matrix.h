// The windows of a convolution as rows of a matrix ("im2col"), a tile at a time: the row of output pixel
// (image · out_height + y) · out_width + x holds the window's pixels, each with the channels of one group; zeros stand
// for padding.
#pragma once

#include <cstdint>

#include "backend/images.h"

namespace onelogit {

// out (rows × filter_size) = the windows of `rows` output pixels from `first` on.
void gather_windows(const Conv2dGeometry& geometry, const float* x, std::int64_t group, std::int64_t first,
                    std::int64_t rows, float* out);
// Adds such rows to where they were gathered from; what stood for padding is left out.
void scatter_windows(const Conv2dGeometry& geometry, const float* rows_of_windows, std::int64_t group,
                     std::int64_t first, std::int64_t rows, float* x);

}  // namespace onelogit
