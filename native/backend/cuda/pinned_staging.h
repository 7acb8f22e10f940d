// Host memory that the GPU copies from while the CPU goes on: two buffers in turns, so that the next one is filled
// while the last one is still being copied. Waits only when both are.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

namespace onelogit::cuda {

class PinnedStaging {
 public:
  PinnedStaging() = default;
  PinnedStaging(const PinnedStaging&) = delete;
  PinnedStaging& operator=(const PinnedStaging&) = delete;
  ~PinnedStaging();

  // At least `bytes`, of which nothing is still to be copied. The same memory until `sent`.
  unsigned char* take(std::size_t bytes);
  // The copies from what take() gave have been queued on `stream`.
  void sent(cudaStream_t stream);

 private:
  struct Side {
    unsigned char* memory = nullptr;
    std::size_t bytes = 0;
    cudaEvent_t copied = nullptr;
  };
  Side sides_[2];
  int next_ = 0;
};

}  // namespace onelogit::cuda
