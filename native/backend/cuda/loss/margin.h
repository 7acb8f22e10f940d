// max-margin and batch-max-margin: hinges between true logits and largest false ones.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/step_values.h"
#include "loss/arg_state.h"
#include "loss/loss.h"

namespace onelogit::cuda {

class MarginLoss {
 public:
  MarginLoss(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
  // backend/backend.h, LossKernel
  void value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m,
                          const StepValues* step, double* value, float* gradient);

 private:
  bool batch_;
  double margin_;
  bool mean_;
  std::int64_t classes_;
  DeviceBuffer<ArgMax> part_largest_;  // false logit, index i·k + j; part by part, row by row
  DeviceBuffer<ArgMax> row_largest_;
  DeviceBuffer<double> row_value_;
};

}  // namespace onelogit::cuda
