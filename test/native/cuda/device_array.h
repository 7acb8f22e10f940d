// Device memory in tests.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#include "backend/cuda/device_buffer.h"
#if !defined(ONELOGIT_CUDA_HOST)
#include "cuda_device/cuda_host.h"
#endif

namespace onelogit::test {

// Every order in which the threads of a block are stepped in tests. Forward alone would miss most missing barriers. A
// GPU has its own order, and is asked twice for the same bits.
struct NamedOrder {
  const char* name;
  cuda_host::Order order;
};
inline const std::vector<NamedOrder>& orders() {
#if defined(ONELOGIT_CUDA_HOST)
  static const std::vector<NamedOrder> all = {{"forward", {cuda_host::Order::forward, 0}},
                                              {"reverse", {cuda_host::Order::reverse, 0}},
                                              {"random 1", {cuda_host::Order::random, 1}},
                                              {"random 2", {cuda_host::Order::random, 2}}};
#else
  static const std::vector<NamedOrder> all = {{"first run", {}}, {"second run", {}}};
#endif
  return all;
}

template <class T>
class DeviceArray {
 public:
  // What is in it at first is not a number.
  explicit DeviceArray(std::size_t size) : size_(size) {
    cuda::check(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)), "a test");
#if !defined(ONELOGIT_CUDA_HOST)
    if (size > 0) cuda::check(cudaMemsetAsync(data_, 0xff, size * sizeof(T), nullptr), "a test");
    wait();
#endif
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    cuda::check(cudaMemcpyAsync(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice, nullptr), "a test");
    cuda::check(cudaStreamSynchronize(nullptr), "a test");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(size_);
#if !defined(ONELOGIT_CUDA_HOST)
    wait();
#endif
    cuda::check(cudaMemcpyAsync(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost, nullptr), "a test");
    cuda::check(cudaStreamSynchronize(nullptr), "a test");
    return values;
  }

 private:
#if !defined(ONELOGIT_CUDA_HOST)
  // A backend's stream does not wait for the default one, which copies are on here, nor that for it.
  static void wait() { cuda::check(cudaDeviceSynchronize(), "a test"); }
#endif

  std::size_t size_;
  T* data_ = nullptr;
};

}  // namespace onelogit::test
