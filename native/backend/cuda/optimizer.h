// Optimizer steps and gradient clipping: backend/backend.h says what each operation does. One kernel updates all slices
// of a model. All pointers but `slices` are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "backend/cuda/slice_tables.h"
#include "backend/cuda/step_values.h"
#include "optimizer/adam.h"
#include "optimizer/optimizer.h"
#include "optimizer/sgd.h"

namespace onelogit::cuda {

// What an update depends on beside gradients and parameters.
struct OptimizerStep {
  SgdStep sgd;
  AdamStep adam;
};

// For one stream; any thread.
class Optimizer {
 public:
  void clip_scale(cudaStream_t stream, const ParameterSlice* slices, std::size_t count, float clip_norm,
                  const double* more, float* scale);
  void step(cudaStream_t stream, const OptimizerSpec& spec, const StepValues* values, const ParameterSlice* slices,
            std::size_t count, const float* gradient_scale);

 private:
  std::mutex mutex_;
  SliceTables tables_;
  DeviceBuffer<OptimizerStep> step_;  // one
};

}  // namespace onelogit::cuda
