// Optimizer steps and gradient clipping: backend/backend.h says what each operation does. One kernel updates all slices
// of a model. All pointers but `slices` are device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "backend/cuda/slice_tables.h"
#include "optimizer/optimizer.h"

namespace onelogit::cuda {

// For one stream; any thread.
class Optimizer {
 public:
  void clip_scale(cudaStream_t stream, const ParameterSlice* slices, std::size_t count, float clip_norm,
                  const double* more, float* scale);
  void step(cudaStream_t stream, const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
            const ParameterSlice* slices, std::size_t count, const float* gradient_scale);

 private:
  std::mutex mutex_;
  SliceTables tables_;
};

}  // namespace onelogit::cuda
