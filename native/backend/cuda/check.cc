#include "backend/cuda/check.h"

#include "error.h"

namespace onelogit::cuda {

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // it is kept there too: the next launch shall not fail for this one
  if (error == cudaErrorMemoryAllocation)
    throw Error(
        ErrorKind::operation, "ERR_ONELOGIT_OUT_OF_MEMORY",
        std::string("Expected enough memory on the GPU for ") + what + " but received " + cudaGetErrorString(error));
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_CUDA",
              std::string("Expected ") + what + " to run on the GPU but received " + cudaGetErrorName(error) + ": " +
                  cudaGetErrorString(error));
}

}  // namespace onelogit::cuda
