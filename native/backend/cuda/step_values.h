// What differs from one step of training to the next. Kernels read it in device memory and not from their arguments, so
// that the launches of a step can be captured once and replayed for every step.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"

namespace onelogit::cuda {

struct StepValues {
  std::uint64_t number;  // from 0
  float learning_rate;   // as scheduled
};

// The values of one queue, used by one training at a time.
class Step {
 public:
  explicit Step(cudaStream_t stream) : stream_(stream), values_(1, "the values of a step") {}

  // For the launches that follow on the stream.
  void set(std::uint64_t number);
  void set(std::uint64_t number, float learning_rate);
  // While launches are captured, to be replayed for other steps: setting other values throws ERR_ONELOGIT_INTERNAL.
  void hold(bool held) { is_held_ = held; }

  const StepValues* values() const { return values_.data(); }  // device memory

 private:
  void write(StepValues values);

  cudaStream_t stream_;
  DeviceBuffer<StepValues> values_;
  StepValues written_{};
  bool is_written_ = false, is_held_ = false;
};

}  // namespace onelogit::cuda
