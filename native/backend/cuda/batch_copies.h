// Batches on their way from host memory to the GPU, on a stream of their own, while what was queued before still runs:
// written into pinned memory, copied into one of two batches in device memory, and read from there in the order of the
// stream that computes. A batch is overwritten only when it has been read.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/pinned_staging.h"

namespace onelogit::cuda {

class BatchCopies {
 public:
  BatchCopies() = default;
  BatchCopies(const BatchCopies&) = delete;
  BatchCopies& operator=(const BatchCopies&) = delete;
  ~BatchCopies();

  // Device memory of the next batch. Allocates only if none was as large.
  unsigned char* begin(std::size_t bytes);
  // Pinned memory for a piece of it; waits only for the copy of the piece before the last one.
  unsigned char* take(std::size_t bytes) { return staging_.take(bytes); }
  // A piece that `take` gave → a part of the batch.
  void copy(unsigned char* to, const unsigned char* piece, std::size_t bytes);
  // What is queued on `stream` between these two may read the batch.
  void begin_reading(cudaStream_t stream);
  void end_reading(cudaStream_t stream);

 private:
  struct Batch {
    cudaEvent_t copied = nullptr, read = nullptr;
  };
  cudaStream_t stream_ = nullptr;
  PinnedStaging staging_;
  DeviceBuffer<unsigned char> memory_;  // both batches
  Batch batches_[2];
  int current_ = 0;
};

}  // namespace onelogit::cuda
