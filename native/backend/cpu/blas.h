// Which single-threaded matrix product serves this process: OpenBLAS when it was compiled in and computes correctly
// here, else the portable kernel.
#pragma once

#include <string>

#include "backend/cpu/kernels/gemm.h"

namespace onelogit {

struct BlasChoice {
  bool openblas = false;
  std::string name;    // "openblas 0.3.21 (Zen)" or "portable"
  std::string reason;  // why a compiled-in OpenBLAS is not used; else empty
};

// Decided at first use.
const BlasChoice& blas_choice();

// One product on the calling thread, by the chosen implementation.
void blas_gemm(const GemmArguments& product);

}  // namespace onelogit
