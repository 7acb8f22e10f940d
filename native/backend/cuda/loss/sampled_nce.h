// nce with `numSampled` draws.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/loss/device_noise.h"
#include "backend/cuda/step_values.h"
#include "loss/loss.h"

namespace onelogit::cuda {

class SampledNce {
 public:
  SampledNce(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
  // backend/backend.h, LossKernel
  void value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m,
                          const StepValues* step, double* value, float* gradient);

 private:
  bool shared_, remove_accidental_hits_, mean_;
  std::int64_t classes_, draws_;
  float draw_weight_;  // t/S
  DeviceNoise noise_;
  DeviceBuffer<double> row_value_;
};

}  // namespace onelogit::cuda
