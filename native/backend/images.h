// Sizes of what works on images. Images are height × width × channels, row-major, m of them one after another; windows
// start `top` rows above and `left` columns left of the image and move by the strides. What of a window lies outside
// the image is padding; how much of it follows below and right is in the size of the output. Every window has a pixel
// of the image: padding is less than the kernel on all four sides, `same` included (layer/windows.h).
#pragma once

#include <cstdint>

namespace onelogit {

struct Pool2dGeometry {
  std::int64_t height = 1, width = 1, channels = 1;
  std::int64_t kernel_height = 1, kernel_width = 1;
  std::int64_t stride_y = 1, stride_x = 1;
  std::int64_t top = 0, left = 0;  // padding
  std::int64_t out_height = 1, out_width = 1;

  std::int64_t in_pixels() const { return height * width; }
  std::int64_t out_pixels() const { return out_height * out_width; }
  std::int64_t kernel_pixels() const { return kernel_height * kernel_width; }
};

// Filter f sees the channels of its group alone: group g = f / (filters / groups) those from g · channels/groups on.
struct Conv2dGeometry : Pool2dGeometry {
  std::int64_t filters = 1, groups = 1;  // groups divides channels and filters

  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_filters() const { return filters / groups; }
  // Numbers of one filter.
  std::int64_t filter_size() const { return kernel_pixels() * group_channels(); }
  // Whether the windows are the pixels: a product of matrices.
  bool is_product() const {
    return kernel_pixels() == 1 && stride_y == 1 && stride_x == 1 && top == 0 && left == 0 && out_height == height &&
           out_width == width;
  }
};

// Normalisation across channels: see local_response_norm_forward (backend.h).
struct LocalResponseNorm {
  std::int64_t size = 5;
  float alpha = 1e-4f, beta = 0.75f, k = 1.0f;
};

}  // namespace onelogit
