// cuBLAS, opened when it is first needed: the addon loads where there is none, and one binary serves cuBLAS 12 and 13.
// The few names and numbers declared here are those of cublas_api.h and library_types.h, which have not changed since
// CUDA 11.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace onelogit::cuda {

using CublasHandle = struct CublasContext*;
enum class CublasOperation : int { none = 0, transpose = 1 };  // CUBLAS_OP_N, CUBLAS_OP_T
enum class CublasType : int { float32 = 0, bfloat16 = 14 };    // CUDA_R_32F, CUDA_R_16BF
enum class CublasCompute : int { float32 = 68, tf32 = 77 };    // CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32
inline constexpr int cublas_gemm_default = -1;                 // CUBLAS_GEMM_DEFAULT
using CublasStatus = int;                                      // 0: CUBLAS_STATUS_SUCCESS

struct Cublas {
  std::string library;  // the name it was opened by; empty: there is none
  std::string reason;   // why not
  CublasStatus (*create)(CublasHandle*) = nullptr;
  CublasStatus (*destroy)(CublasHandle) = nullptr;
  CublasStatus (*set_stream)(CublasHandle, cudaStream_t) = nullptr;
  CublasStatus (*set_workspace)(CublasHandle, void* memory, std::size_t bytes) = nullptr;
  // C (m×n) = alpha · op(A) · op(B) + beta · C; column-major, alpha and beta float32 in host memory.
  CublasStatus (*gemm)(CublasHandle, CublasOperation a_operation, CublasOperation b_operation, int m, int n, int k,
                       const void* alpha, const void* a, CublasType a_type, int lda, const void* b, CublasType b_type,
                       int ldb, const void* beta, void* c, CublasType c_type, int ldc, CublasCompute compute,
                       int algorithm) = nullptr;

  bool available() const { return !library.empty(); }
};

// The process's. Looks for it once.
const Cublas& cublas();

}  // namespace onelogit::cuda
