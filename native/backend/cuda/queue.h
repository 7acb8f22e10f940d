// Where the work of one backend is queued: a stream and what products and sums on it need.
#pragma once

#include "backend/cuda/column_scratch.h"
#include "backend/cuda/product.h"
#include "backend/cuda/step_values.h"

namespace onelogit::cuda {

struct Queue {
  Queue(cudaStream_t stream_, std::size_t cache_bytes_, Precision precision = Precision::float32)
      : stream(stream_), products(stream_, precision), step(stream_), cache_bytes(cache_bytes_) {}

  cudaStream_t stream;
  Products products;
  Step step;
  ColumnScratch scratch;
  std::size_t cache_bytes;  // of the device's L2
};

}  // namespace onelogit::cuda
