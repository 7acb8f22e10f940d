// cross-entropy and self-normalization: a normaliser per row.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/step_values.h"
#include "loss/loss.h"
#include "loss/softmax_state.h"

namespace onelogit::cuda {

class SoftmaxLoss {
 public:
  SoftmaxLoss(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
  // backend/backend.h, LossKernel
  void value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m,
                          const StepValues* step, double* value, float* gradient);

 private:
  bool self_normalization_;
  double alpha_;
  bool mean_;
  std::int64_t classes_;
  DeviceBuffer<double> row_value_;
  DeviceBuffer<float> row_factor_;         // of rows in parts
  DeviceBuffer<SoftmaxState> part_state_;  // part by part, row by row
  DeviceBuffer<SoftmaxState> row_state_;
};

}  // namespace onelogit::cuda
