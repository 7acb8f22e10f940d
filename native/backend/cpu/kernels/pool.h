// Pooling of images (images.h), one row of one image and channels [begin, end) of it at a time: of the output in
// forward passes, of the input in backward passes, where each pixel collects from the windows that it is in. So rows
// and channels may be cut between threads anywhere, and no cut changes a sum.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"
#include "backend/images.h"

namespace onelogit {

struct MaxPoolForward {
  const Pool2dGeometry& geometry;
  const float* x;
  float* y;
  std::int32_t* places;  // or null
};
struct MaxPoolBackward {
  const Pool2dGeometry& geometry;
  const std::int32_t* places;
  const float* dy;
  float* dx;
};
struct AvgPoolForward {
  const Pool2dGeometry& geometry;
  bool count_padding;
  const float* x;
  float* y;
};
struct AvgPoolBackward {
  const Pool2dGeometry& geometry;
  bool count_padding;
  const float* dy;
  float* dx;
};

// `row` counts the rows of all images.
struct PoolKernels {
  void (*max_forward)(const MaxPoolForward& pass, std::int64_t row, std::int64_t begin, std::int64_t end);
  void (*max_backward)(const MaxPoolBackward& pass, std::int64_t row, std::int64_t begin, std::int64_t end);
  void (*avg_forward)(const AvgPoolForward& pass, std::int64_t row, std::int64_t begin, std::int64_t end);
  void (*avg_backward)(const AvgPoolBackward& pass, std::int64_t row, std::int64_t begin, std::int64_t end);
};
ONELOGIT_DECLARE_KERNELS(PoolKernels, pool_kernels)

}  // namespace onelogit
