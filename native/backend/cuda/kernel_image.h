// Whether the GPU can run what the kernels were compiled to. A driver and a GPU may be there, and yet no kernel start:
// the build was for another GPU, or is to be compiled by a driver that is older than the toolkit, or lacks its
// compiler.
#pragma once

#include <cuda_runtime.h>

namespace onelogit::cuda {

// Loads one kernel on device 0, whose context begins with it. cudaSuccess: kernels can be launched.
cudaError_t load_kernel_image();

}  // namespace onelogit::cuda
