// binary-cross-entropy, and nce with the exact expectation: every entry by itself.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/step_values.h"
#include "loss/loss.h"

namespace onelogit::cuda {

// Σ max(x, 0) and Σ ln(1 + e^−|x|), apart: the first is exact, so that a true logit's part of it can be taken out
// again.
struct LogisticSum {
  double positive = 0, excess = 0;
};

class LogisticLoss {
 public:
  LogisticLoss(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
  // backend/backend.h, LossKernel
  void value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m,
                          const StepValues* step, double* value, float* gradient);

 private:
  bool mean_;
  std::int64_t classes_;
  DeviceBuffer<float> weight_, log_weight_;  // nce: w_j = t q_j, ln w_j
  DeviceBuffer<LogisticSum> part_sum_;
};

}  // namespace onelogit::cuda
