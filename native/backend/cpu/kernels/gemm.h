// The portable matrix product, on one thread: C (m×n) = alpha · op(A) · op(B) + beta · C, all row-major.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"

namespace onelogit {

struct GemmArguments {
  bool transpose_a, transpose_b;  // A is stored k×m, B is stored n×k
  std::int64_t m, n, k;
  float alpha;
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  float beta;  // 0: C is not read
  float* c;
  std::int64_t ldc;
};

struct GemmKernels {
  // `workspace`: workspace_size float32, 64-byte aligned.
  void (*gemm)(const GemmArguments& product, float* workspace);
  std::int64_t workspace_size;
};
ONELOGIT_DECLARE_KERNELS(GemmKernels, gemm_kernels)

}  // namespace onelogit
