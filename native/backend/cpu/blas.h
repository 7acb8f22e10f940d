// Matrix products on the calling thread, by whatever is fastest and right here: kernels without packing for a few rows,
// else OpenBLAS when it was compiled in and computes correctly, else the portable kernel.
#pragma once

#include <string>

#include "backend/cpu/kernels/gemm.h"

namespace onelogit {

struct BlasChoice {
  bool openblas = false;
  std::string name;    // "openblas 0.3.21 (Zen)" or "portable"
  std::string reason;  // why a compiled-in OpenBLAS is not used; else empty
};

// Decided at first use; $ONELOGIT_BLAS=portable turns OpenBLAS off.
const BlasChoice& blas_choice();

// C = alpha · op(A) · op(B) + beta · C on this thread.
void blas_gemm(const GemmArguments& product);

}  // namespace onelogit
