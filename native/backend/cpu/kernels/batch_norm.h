// Batch normalisation (Ioffe and Szegedy 2015) of columns [begin, end) of x, m rows `stride` apart. All per-feature
// pointers start at feature 0. Columns are independent, so callers cut the work by columns.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct BatchNormTraining {
  const float* x;
  const float* gamma;
  const float* beta;
  float epsilon;
  float momentum;
  float* running_mean;
  float* running_variance;
  float* saved_mean;
  float* saved_inverse_deviation;
  float* y;
  std::int64_t m, features;
};
struct BatchNormInference {
  const float* x;
  const float* gamma;
  const float* beta;
  float epsilon;
  const float* running_mean;
  const float* running_variance;
  float* y;
  std::int64_t m, features;
};
struct BatchNormBackward {
  const float* x;
  const float* dy;
  const float* gamma;
  const float* saved_mean;
  const float* saved_inverse_deviation;
  float* dx;  // may be dy
  float* dgamma;
  float* dbeta;
  std::int64_t m, features;
};

struct BatchNormKernels {
  void (*training)(const BatchNormTraining& pass, std::int64_t begin, std::int64_t end);
  void (*inference)(const BatchNormInference& pass, std::int64_t row_begin, std::int64_t row_end);
  void (*backward)(const BatchNormBackward& pass, std::int64_t begin, std::int64_t end);
};
ONELOGIT_DECLARE_KERNELS(BatchNormKernels, batch_norm_kernels)

}  // namespace onelogit
