// What the rest of the package sees of CUDA: whether there is a GPU to compute on, and if not, why. Built from
// backend/cuda/, or from without_cuda.cc where there are no kernels.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace onelogit {

struct CudaDevice {
  std::string name;
  std::size_t memory_bytes = 0;
  int major = 0, minor = 0;  // compute capability
};

struct CudaState {
  bool compiled = false;
  std::string architectures;  // that the kernels were compiled for, separated by spaces
  bool available = false;     // device 0 can be used
  std::string reason;         // if not: the one reason, in a sentence without its full stop
  std::vector<CudaDevice> devices;
  std::string runtime, driver, cublas;  // versions, "13.0"; the library's file name; empty: unknown
};

// Asks the driver at the first call, which takes some hundred milliseconds where there is a GPU.
const CudaState& cuda_state();
// A queue of its own on device 0, and all that it needs. Throws ERR_ONELOGIT_CUDA.
std::shared_ptr<Backend> make_cuda_backend(Precision precision);

}  // namespace onelogit
