#pragma once

#include <cuda_runtime.h>

namespace onelogit::cuda {

// Throws the error of a CUDA call, naming `what`: ERR_ONELOGIT_OUT_OF_MEMORY or ERR_ONELOGIT_CUDA.
void check(cudaError_t error, const char* what);

}  // namespace onelogit::cuda
