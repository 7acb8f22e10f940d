// Windows of images as the rows of a matrix (im2col), so that a convolution is a product, and back. All pointers are
// device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/images.h"

namespace onelogit::cuda {

// Numbers of a row: the window's channels, group by group; in a group in the order of a filter's numbers.
inline std::int64_t window_size(const Conv2dGeometry& geometry) { return geometry.kernel_pixels() * geometry.channels; }

// Output pixels `first` to before first + rows, counted through all images: one after another in matrix and output.
struct WindowRows {
  std::int64_t first = 0, rows = 0;
};

// matrix (rows × window_size) = the windows of those output pixels; zeros outside of the image.
void windows_to_matrix(cudaStream_t stream, const Conv2dGeometry& geometry, const float* x, WindowRows part,
                       float* matrix);
// The same rounded to bfloat16, to nearest even.
void windows_to_matrix(cudaStream_t stream, const Conv2dGeometry& geometry, const float* x, WindowRows part,
                       std::uint16_t* matrix);

// dx = for each of its numbers, the sum of where it is in the windows of the matrix, whole images' windows: those
// images are written in full. If the part is one of an image's, it is added, and the sums are 0 at first.
void matrix_to_images(cudaStream_t stream, const Conv2dGeometry& geometry, const float* matrix, WindowRows part,
                      float* dx);

}  // namespace onelogit::cuda
