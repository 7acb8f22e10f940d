#include <cuda_runtime.h>

#include <vector>

#include "cuda_device/cuda_host.h"

namespace cuda_host {

void limit_memory(std::size_t bytes) {
  static std::vector<void*> taken;
  cudaDeviceSynchronize();
  if (bytes == 0) {
    for (void* const memory : taken) cudaFree(memory);
    taken.clear();
    return;
  }
  // From large pieces to small ones: what the driver keeps of a page for the next small allocation goes as well.
  constexpr std::size_t largest = std::size_t{1} << 36, smallest = 256;
  for (std::size_t size = largest; size >= smallest;) {
    void* memory = nullptr;
    if (cudaMalloc(&memory, size) == cudaSuccess) {
      taken.push_back(memory);
    } else {
      static_cast<void>(cudaGetLastError());
      size /= 2;
    }
  }
}

}  // namespace cuda_host
