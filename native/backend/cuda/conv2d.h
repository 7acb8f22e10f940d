// Convolutions as products: where a window is a pixel, of the images themselves; else of a matrix of windows
// (window_matrix.h), made in parts that fit a workspace.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <mutex>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/queue.h"
#include "backend/cuda/window_matrix.h"
#include "backend/images.h"

namespace onelogit::cuda {

// The weight of a convolution: float32, or, in bfloat16 precision only, bfloat16.
struct FilterBank {
  const void* data = nullptr;
  CublasType type = CublasType::float32;
};

// What is done to the output of a convolution: y + bias + residual, then max(·, 0).
struct Epilogue {
  const float* bias = nullptr;      // filters; null: none
  const float* residual = nullptr;  // of y's shape, and may be y; null: none
  bool relu = false;
};

// Of one backend. Any thread.
class Convolutions {
 public:
  static constexpr std::size_t default_workspace = std::size_t{64} << 20;

  // `queue` must outlive what is queued. The workspace is allocated by the first convolution that needs it, and stays
  // where it is: graphs of training steps hold its address.
  explicit Convolutions(Queue& queue, std::size_t workspace_bytes = default_workspace)
      : queue_(queue), workspace_bytes_(workspace_bytes) {}
  Convolutions(const Convolutions&) = delete;
  Convolutions& operator=(const Convolutions&) = delete;

  // backend.h says what these do. They throw ERR_ONELOGIT_RANGE where a single window does not fit the workspace.
  void forward(const Conv2dGeometry& geometry, const float* x, FilterBank weight, const Epilogue& epilogue, float* y,
               std::int64_t m);
  void backward_input(const Conv2dGeometry& geometry, const float* dy, const float* weight, float* dx, std::int64_t m);
  void backward_weight(const Conv2dGeometry& geometry, const float* x, const float* dy, float* dweight, float* dbias,
                       std::int64_t m);

  Queue& queue() const { return queue_; }

 private:
  // Windows as they are in memory: a matrix of them, or, where they are the pixels, the images.
  struct WindowMatrix {
    const void* data = nullptr;
    CublasType type = CublasType::float32;
  };
  // body(matrix, part) for the windows of m images, part by part, at least once.
  void for_each_matrix(const Conv2dGeometry& geometry, const float* x, std::int64_t m,
                       const std::function<void(WindowMatrix, WindowRows)>& body);
  void* workspace();
  std::int64_t most_rows(const Conv2dGeometry& geometry, CublasType type) const;

  Queue& queue_;
  std::size_t workspace_bytes_;
  std::mutex mutex_;  // held while what uses the workspace is queued
  DeviceBuffer<std::byte> workspace_;
};

}  // namespace onelogit::cuda
