#include "backend/cpu/blas.h"

#include <algorithm>
#include <limits>

#ifdef ONELOGIT_OPENBLAS
#include <cblas.h>
#endif

namespace onelogit {
namespace {

#ifdef ONELOGIT_OPENBLAS
void openblas_gemm(const GemmArguments& p) {
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans, p.transpose_b ? CblasTrans : CblasNoTrans,
              static_cast<blasint>(p.m), static_cast<blasint>(p.n), static_cast<blasint>(p.k), p.alpha, p.a,
              static_cast<blasint>(p.lda), p.b, static_cast<blasint>(p.ldb), p.beta, p.c, static_cast<blasint>(p.ldc));
}

bool fits_blasint(const GemmArguments& p) {
  return std::max({p.m, p.n, p.k, p.lda, p.ldb, p.ldc}) <= std::numeric_limits<blasint>::max();
}
#endif

BlasChoice choose() {
  BlasChoice choice;
  choice.name = "portable";
#ifdef ONELOGIT_OPENBLAS
  openblas_set_num_threads(1);
  choice.openblas = true;
  // "OpenBLAS 0.3.21 NO_AFFINITY …"
  const std::string config = openblas_get_config();
  const auto begin = config.find(' ');
  const auto end = config.find(' ', begin + 1);
  choice.name = "openblas " + config.substr(begin + 1, end - begin - 1) + " (" + openblas_get_corename() + ")";
#endif
  return choice;
}

}  // namespace

const BlasChoice& blas_choice() {
  static const BlasChoice choice = choose();
  return choice;
}

void blas_gemm(const GemmArguments& product) {
#ifdef ONELOGIT_OPENBLAS
  if (blas_choice().openblas && fits_blasint(product)) return openblas_gemm(product);
#endif
  gemm_kernels().gemm(product);
}

}  // namespace onelogit
