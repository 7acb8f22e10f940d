// The driver, as far as it can be asked without the runtime: a runtime answers "insufficient driver" both where the
// driver is old and where there is none.
#pragma once

namespace onelogit::cuda {

struct Driver {
  bool found = false;
  int version = 0;  // of CUDA, 1000·major + 10·minor; 0: it would not say
};

// Opens libcuda.so.1 and closes it again.
Driver find_driver();

}  // namespace onelogit::cuda
