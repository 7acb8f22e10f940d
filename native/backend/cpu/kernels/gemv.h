// Products that read one operand once and so run at the speed of memory: no packing. On one thread.
#pragma once

#include "backend/cpu/kernels/dispatch.h"
#include "backend/cpu/kernels/gemm.h"

namespace onelogit {

struct GemvKernels {
  // C = alpha · A · Bᵀ + beta · C with transpose_a no, transpose_b yes: rows are dotted with rows, four by four.
  void (*few_rows)(const GemmArguments& product);
  std::int64_t most_few_rows;  // up to this m (or n) it is faster than packing
  // The same for m = 1 and B stored k×n: rows of B are added up.
  void (*one_row)(const GemmArguments& product);
};
ONELOGIT_DECLARE_KERNELS(GemvKernels, gemv_kernels)

}  // namespace onelogit
