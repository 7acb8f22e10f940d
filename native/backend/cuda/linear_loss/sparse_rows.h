// The rows of the class matrix that a sparse gradient touches. All pointers are device memory: nothing waits for their
// number.
#pragma once

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/id_groups.h"
#include "backend/cuda/linear_loss/block.h"

namespace onelogit::cuda {

// The gradient of *count rows, each once; all others have none.
struct SparseRows {
  const std::int32_t* classes;
  const std::int32_t* count;   // 0 ≤ *count ≤ most
  std::int64_t most;           // what there is room for
  const float* gradient;       // most×d
  const float* bias_gradient;  // most
};

// Adds up the entries of each class.
class RowCollector {
 public:
  RowCollector(std::int64_t most_entries, std::int64_t d, std::int64_t k);

  // Row of class j = Σ coefficient · hidden row over its entries, in their order; rows are in the order of their
  // classes. None if *undefined (null: 0) is NaN. What is returned lives until the next call.
  SparseRows collect(cudaStream_t stream, const SparseEntries& entries, const float* hidden, const float* undefined);

 private:
  std::int64_t d_, k_;
  IdGroups finder_;
  DeviceBuffer<std::int32_t> ids_, count_;
  DeviceBuffer<float> gradient_, bias_gradient_;
};

// gradient (k×d) and bias_gradient (k), what is null left out: their rows += those of `rows`, after being multiplied by
// factor[class / classes_per_factor] unless that is null.
void add_rows(cudaStream_t stream, const SparseRows& rows, std::int64_t d, const float* factor,
              std::int64_t classes_per_factor, float* gradient, float* bias_gradient);
// x[class] = value
void set_rows(cudaStream_t stream, const SparseRows& rows, float value, float* x);

}  // namespace onelogit::cuda
