// Launching kernels. The sources of this directory are compiled twice: by nvcc, and as plain C++ in a test build
// (ONELOGIT_CUDA_HOST) where threads are fibers on the CPU. What differs between the two is here and nowhere else.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "backend/cuda/check.h"
#include "backend/cuda/grid.h"

namespace onelogit::cuda {

// Kernel arguments are converted to the kernel's parameters, as in a call. A launch that was refused is thrown here;
// what goes wrong while it runs, by the next call that waits.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            cudaStream_t stream, Arguments... arguments) {
#if defined(ONELOGIT_CUDA_HOST)
  ::cuda_host::launch(stream, grid, block, shared_bytes, [=] { kernel(static_cast<Parameters>(arguments)...); });
#else
  // clang-format off
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
  // clang-format on
#endif
  check(cudaGetLastError(), name);
}

// The block's dynamic shared memory, as many bytes as the launch asked for, aligned to 16.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#if defined(ONELOGIT_CUDA_HOST)
  return static_cast<T*>(::cuda_host::current->shared);
#else
  extern __shared__ __align__(16) unsigned char onelogit_dynamic_shared[];
  return reinterpret_cast<T*>(onelogit_dynamic_shared);
#endif
}

// for (i = first_index(); i < size; i += index_stride()) visits every element once.
__device__ __forceinline__ std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ std::int64_t index_stride() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

}  // namespace onelogit::cuda
