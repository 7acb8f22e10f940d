#include "backend/cuda/driver.h"

#include <dlfcn.h>

namespace onelogit::cuda {

Driver find_driver() {
  Driver driver;
  void* const library = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return driver;
  driver.found = true;
  // Works without a device, and before anything is initialised.
  using GetVersion = int (*)(int*);
  if (const auto get_version = reinterpret_cast<GetVersion>(::dlsym(library, "cuDriverGetVersion")))
    static_cast<void>(get_version(&driver.version));
  ::dlclose(library);
  return driver;
}

}  // namespace onelogit::cuda
