// Device memory in tests.
#pragma once

#include <cuda_runtime.h>

#include <vector>

#include "backend/cuda/launch.h"

namespace onelogit::test {

// Every order in which the threads of a block are stepped in tests. Forward alone would miss most missing barriers.
struct NamedOrder {
  const char* name;
  cuda_host::Order order;
};
inline const std::vector<NamedOrder>& orders() {
  static const std::vector<NamedOrder> all = {{"forward", {cuda_host::Order::forward, 0}},
                                              {"reverse", {cuda_host::Order::reverse, 0}},
                                              {"random 1", {cuda_host::Order::random, 1}},
                                              {"random 2", {cuda_host::Order::random, 2}}};
  return all;
}

template <class T>
class DeviceArray {
 public:
  // What cudaMalloc leaves there: not a number.
  explicit DeviceArray(std::size_t size) : size_(size) {
    cuda::check(cudaMalloc(reinterpret_cast<void**>(&data_), size * sizeof(T)), "a test");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    cuda::check(cudaMemcpyAsync(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice, nullptr), "a test");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  std::vector<T> host() const {
    std::vector<T> values(size_);
    cuda::check(cudaMemcpyAsync(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost, nullptr), "a test");
    return values;
  }

 private:
  std::size_t size_;
  T* data_ = nullptr;
};

}  // namespace onelogit::test
