// Normalisation across channels (backend.h: local_response_norm_forward) of `rows` rows.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct LocalResponseNormForward {
  std::int64_t channels;
  std::int64_t before, after;  // channels of a window around the one that it is for; neither more than `channels`
  float k, alpha, beta;        // alpha: what a sum of squares is multiplied by
  const float* x;
  float* y;
  float* scale;  // or null
};
struct LocalResponseNormBackward {
  std::int64_t channels;
  std::int64_t before, after;  // of the forward pass
  float beta, factor;          // factor: 2 · alpha · beta
  const float* x;
  const float* scale;
  const float* dy;
  float* dx;
};

// `workspace`: channels + before + after float32.
struct LocalResponseNormKernels {
  void (*forward)(const LocalResponseNormForward& pass, std::int64_t rows, float* workspace);
  void (*backward)(const LocalResponseNormBackward& pass, std::int64_t rows, float* workspace);
};
ONELOGIT_DECLARE_KERNELS(LocalResponseNormKernels, local_response_norm_kernels)

}  // namespace onelogit
