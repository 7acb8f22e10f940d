#include "backend/cpu/kernels/gemm.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

void gemm(const GemmArguments& p) {
  for (std::int64_t i = 0; i < p.m; ++i) {
    float* c = p.c + i * p.ldc;
    for (std::int64_t j = 0; j < p.n; ++j) c[j] = p.beta == 0.0f ? 0.0f : p.beta * c[j];
    for (std::int64_t l = 0; l < p.k; ++l) {
      const float a = p.alpha * (p.transpose_a ? p.a[l * p.lda + i] : p.a[i * p.lda + l]);
      if (p.transpose_b) {
        for (std::int64_t j = 0; j < p.n; ++j) c[j] += a * p.b[j * p.ldb + l];
      } else {
        for (std::int64_t j = 0; j < p.n; ++j) c[j] += a * p.b[l * p.ldb + j];
      }
    }
  }
}

}  // namespace

const GemmKernels gemm_kernels_table = {gemm};

}  // namespace onelogit::ONELOGIT_SIMD
