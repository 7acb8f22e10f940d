// batch-cross-entropy: one normaliser over all m·k logits.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/step_values.h"
#include "loss/loss.h"
#include "loss/softmax_state.h"

namespace onelogit::cuda {

class BatchSoftmaxLoss {
 public:
  BatchSoftmaxLoss(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
  // backend/backend.h, LossKernel
  void value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m,
                          const StepValues* step, double* value, float* gradient);

 private:
  std::int64_t classes_;
  DeviceBuffer<SoftmaxState> part_state_;
  DeviceBuffer<SoftmaxState> batch_state_;  // one
};

}  // namespace onelogit::cuda
