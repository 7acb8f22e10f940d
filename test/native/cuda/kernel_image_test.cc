#include "backend/cuda/kernel_image.h"

#include <doctest/doctest.h>

#include "backend/cuda.h"
#include "device_array.h"

namespace onelogit {

TEST_CASE("cuda kernel image: kernels that do not load are told before one is launched") {
  CHECK(cuda::load_kernel_image() == cudaSuccess);
#if defined(ONELOGIT_CUDA_HOST)
  cuda_host::refuse_kernels(true);
  CHECK(cuda::load_kernel_image() == cudaErrorNoKernelImageForDevice);
  // Found out once a process, here.
  CHECK_FALSE(cuda_state().available);
  CHECK(cuda_state().reason.find("do not start on the GPU") != std::string::npos);
  cuda_host::refuse_kernels(false);
#endif
}

}  // namespace onelogit
