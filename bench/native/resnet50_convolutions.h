// The convolutions of ResNet-50 at 224 × 224, for benchmarks.
#pragma once

#include <cstdint>

#include "backend/images.h"

namespace onelogit::bench {

struct Convolution {
  std::int64_t size, channels, filters, kernel, stride;
  bool residual;  // the last of a block: the shortcut is added to it
  int count;      // how often the network has it
};

// The stride is in the 3×3 convolution of a block, as in torchvision.
inline constexpr Convolution resnet50_convolutions[] = {
    {224, 3, 64, 7, 2, false, 1},     {56, 64, 64, 1, 1, false, 1},    {56, 64, 64, 3, 1, false, 3},
    {56, 64, 256, 1, 1, true, 3},     {56, 64, 256, 1, 1, false, 1},   {56, 256, 64, 1, 1, false, 2},
    {56, 256, 128, 1, 1, false, 1},   {56, 128, 128, 3, 2, false, 1},  {28, 128, 512, 1, 1, true, 4},
    {56, 256, 512, 1, 2, false, 1},   {28, 512, 128, 1, 1, false, 3},  {28, 128, 128, 3, 1, false, 3},
    {28, 512, 256, 1, 1, false, 1},   {28, 256, 256, 3, 2, false, 1},  {14, 256, 1024, 1, 1, true, 6},
    {28, 512, 1024, 1, 2, false, 1},  {14, 1024, 256, 1, 1, false, 5}, {14, 256, 256, 3, 1, false, 5},
    {14, 1024, 512, 1, 1, false, 1},  {14, 512, 512, 3, 2, false, 1},  {7, 512, 2048, 1, 1, true, 3},
    {14, 1024, 2048, 1, 2, false, 1}, {7, 2048, 512, 1, 1, false, 2},  {7, 512, 512, 3, 1, false, 2}};

inline Conv2dGeometry geometry_of(const Convolution& c) {
  Conv2dGeometry g;
  g.height = g.width = c.size;
  g.channels = c.channels;
  g.filters = c.filters;
  g.kernel_height = g.kernel_width = c.kernel;
  g.stride_y = g.stride_x = c.stride;
  g.top = g.left = c.kernel / 2;
  g.out_height = g.out_width = (c.size - 1) / c.stride + 1;
  return g;
}

}  // namespace onelogit::bench
