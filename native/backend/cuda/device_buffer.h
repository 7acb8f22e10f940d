// Memory of the GPU with a lifetime. What is in it at first is undefined.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "backend/cuda/check.h"

namespace onelogit::cuda {

template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  // Throws ERR_ONELOGIT_OUT_OF_MEMORY, naming `what`.
  DeviceBuffer(std::size_t size, const char* what) : size_(size) {
    if (size > 0) check(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)), what);
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() { static_cast<void>(cudaFree(data_)); }  // waits for what still uses it

  T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// A copy of host memory, which may go once this returns. For what is made once: it waits for the stream.
template <class T>
DeviceBuffer<T> to_device(cudaStream_t stream, const T* host, std::size_t size, const char* what) {
  DeviceBuffer<T> copy(size, what);
  check(cudaMemcpyAsync(copy.data(), host, size * sizeof(T), cudaMemcpyHostToDevice, stream), what);
  check(cudaStreamSynchronize(stream), what);
  return copy;
}

}  // namespace onelogit::cuda
