// onelogit_cuda_tests [doctest's options]: the tests of ../cuda on a real GPU. --illegal-access: illegal_access.h
// instead.

#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "backend/cuda/cublas.h"
#include "cuda_device/illegal_access.h"
#include "small_run.h"

int main(int count, char** arguments) {
  // Before CUDA begins: kernels that are loaded when they are first launched would lack the memory in tests that take
  // it. Under a sanitizer, which leaves those tests out, it would have to go through all of cuBLAS.
  if (!onelogit::test::small_run()) ::setenv("CUDA_MODULE_LOADING", "EAGER", 1);
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "Expected an NVIDIA GPU for these tests but received none: %s\n",
                 error == cudaSuccess ? "no device" : cudaGetErrorString(error));
    return 1;
  }
  const onelogit::cuda::Cublas& cublas = onelogit::cuda::cublas();
  if (!cublas.available()) {
    std::fprintf(stderr, "Expected cuBLAS for these tests but received none: %s\n", cublas.reason.c_str());
    return 1;
  }
  cudaDeviceProp properties{};
  int runtime = 0, driver = 0;
  cudaGetDeviceProperties(&properties, 0);
  cudaRuntimeGetVersion(&runtime);
  cudaDriverGetVersion(&driver);
  std::printf("%s, compute capability %d.%d, CUDA runtime %d, driver %d, %s\n", properties.name, properties.major,
              properties.minor, runtime, driver, cublas.library.c_str());
  if (count == 2 && std::string_view(arguments[1]) == "--illegal-access")
    return onelogit::test::survive_illegal_access();
  return doctest::Context(count, arguments).run();
}
