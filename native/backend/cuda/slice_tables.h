// Sets of parameter slices as kernels see them: cut into chunks, one a block, in a table in device memory. A model has
// one set from its first step to its last, so tables are kept; with them, a step allocates and uploads nothing.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/cuda/device_buffer.h"
#include "optimizer/optimizer.h"

namespace onelogit::cuda {

struct SliceTable {
  std::vector<ParameterSlice> slices;   // what the table was made for
  DeviceBuffer<ParameterSlice> chunks;  // the slices in order, none across two of them; none if all are empty
  DeviceBuffer<double> sums;            // one a chunk: workspace
};

class SliceTables {
 public:
  // The table of these slices; good until the next call.
  const SliceTable& of(cudaStream_t stream, const ParameterSlice* slices, std::size_t count);

 private:
  // As many models may be trained in turns without making tables anew.
  static constexpr std::size_t capacity = 8;
  std::vector<SliceTable> tables_;  // the latest one used is the last
};

}  // namespace onelogit::cuda
