// Finds out whether there is a GPU to compute on.

#include <cuda_runtime.h>

#include "backend/cuda.h"
#include "backend/cuda/cublas.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/driver.h"
#include "backend/cuda/kernel_image.h"

namespace onelogit {
namespace {

// The oldest compute capability that CUDA 13 compiles for.
constexpr int oldest_major = 7, oldest_minor = 5;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string described(cudaError_t error) {
  static_cast<void>(cudaGetLastError());
  return std::string(cudaGetErrorName(error)) + ", " + cudaGetErrorString(error);
}

// Empty: device 0 can be used.
std::string reason_against(CudaState& state) {
  const cuda::Driver driver = cuda::find_driver();
  int runtime = 0;
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  state.runtime = version_text(runtime);
  if (!driver.found) return "there is no NVIDIA driver (libcuda.so.1 was not found)";
  if (driver.version > 0) state.driver = version_text(driver.version);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver) {
    static_cast<void>(cudaGetLastError());
    return "the NVIDIA driver is for CUDA " +
           (state.driver.empty() ? std::string("of an unknown version") : state.driver) + ", older than the " +
           state.runtime + " that this build needs";
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) {
    static_cast<void>(cudaGetLastError());
    return "the NVIDIA driver finds no GPU (or CUDA_VISIBLE_DEVICES hides it)";
  }
  if (error != cudaSuccess) return "the NVIDIA driver does not start: " + described(error);
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties;
    if (const cudaError_t failed = cudaGetDeviceProperties(&properties, i); failed != cudaSuccess)
      return "GPU " + std::to_string(i) + " does not answer: " + described(failed);
    state.devices.push_back({properties.name, properties.totalGlobalMem, properties.major, properties.minor});
  }
  const CudaDevice& first = state.devices.front();
  if (first.major < oldest_major || (first.major == oldest_major && first.minor < oldest_minor))
    return "the GPU, " + first.name + ", has compute capability " + std::to_string(first.major) + "." +
           std::to_string(first.minor) + ", less than " + std::to_string(oldest_major) + "." +
           std::to_string(oldest_minor);
  if (const cudaError_t failed = cuda::load_kernel_image(); failed != cudaSuccess)
    return "kernels compiled for " + state.architectures + " do not start on the GPU, " + first.name +
           ", of compute capability " + std::to_string(first.major) + "." + std::to_string(first.minor) + ": " +
           described(failed);
  const cuda::Cublas& cublas = cuda::cublas();
  if (!cublas.available()) return cublas.reason;
  state.cublas = cublas.library;
  return "";
}

}  // namespace

const CudaState& cuda_state() {
  static const auto* const state = [] {
    auto* const found = new CudaState;
    found->compiled = true;
    found->architectures = ONELOGIT_CUDA_ARCHITECTURES;
    found->reason = reason_against(*found);
    found->available = found->reason.empty();
    return found;
  }();
  return *state;
}

std::shared_ptr<Backend> make_cuda_backend(Precision precision) { return std::make_shared<CudaBackend>(precision); }

}  // namespace onelogit
