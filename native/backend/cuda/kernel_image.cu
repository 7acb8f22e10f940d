#include "backend/cuda/kernel_image.h"

namespace onelogit::cuda {
namespace {

__global__ void nothing_kernel() {}

}  // namespace

cudaError_t load_kernel_image() {
  if (const cudaError_t error = cudaSetDevice(0); error != cudaSuccess) return error;
  cudaFuncAttributes attributes;
  return cudaFuncGetAttributes(&attributes, nothing_kernel);
}

}  // namespace onelogit::cuda
