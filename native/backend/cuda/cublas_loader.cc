#include <dlfcn.h>

#include "backend/cuda/cublas.h"

namespace onelogit::cuda {
namespace {

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

Cublas open() {
  Cublas result;
  for (const char* const name : {"libcublas.so.13", "libcublas.so.12"}) {
    // Never closed: its threads and the device's state would outlive it.
    void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      // The first name says what a newcomer has to install, unless a later one was found and is broken.
      if (result.reason.empty()) result.reason = std::string("no cuBLAS could be opened: ") + ::dlerror();
      continue;
    }
    Cublas found;
    if (find(library, "cublasCreate_v2", found.create) && find(library, "cublasDestroy_v2", found.destroy) &&
        find(library, "cublasSetStream_v2", found.set_stream) &&
        find(library, "cublasSetWorkspace_v2", found.set_workspace) && find(library, "cublasGemmEx", found.gemm)) {
      found.library = name;
      return found;
    }
    result.reason = std::string(name) + " lacks a function of cuBLAS 12";
  }
  return result;
}

}  // namespace

const Cublas& cublas() {
  static const auto* const opened = new Cublas(open());
  return *opened;
}

}  // namespace onelogit::cuda
