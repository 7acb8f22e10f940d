// Matrix products by cuBLAS, in the row-major terms of backend.h.
#pragma once

#include <cstdint>

#include "backend/cuda/cublas.h"
#include "backend/cuda/device_buffer.h"

namespace onelogit::cuda {

// C (m×n) = alpha · op(A) · op(B) + beta · C, all row-major; with beta = 0, C is not read.
struct Product {
  bool transpose_a = false, transpose_b = false;
  std::int64_t m = 0, n = 0, k = 0;
  float alpha = 1.0f;
  const void* a = nullptr;
  CublasType a_type = CublasType::float32;
  std::int64_t lda = 0;
  const void* b = nullptr;
  CublasType b_type = CublasType::float32;
  std::int64_t ldb = 0;
  float beta = 0.0f;
  float* c = nullptr;
  std::int64_t ldc = 0;
};

// A cuBLAS handle for one stream, with a workspace of its own so that products can be captured in graphs.
class Products {
 public:
  // Throws ERR_ONELOGIT_CUDA without cuBLAS.
  explicit Products(cudaStream_t stream);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  // Queued on the stream. A dimension beyond 2³¹ − 1 is cut into several products.
  void multiply(const Product& product, CublasCompute compute = CublasCompute::float32);

 private:
  cudaStream_t stream_;
  CublasHandle handle_ = nullptr;
  DeviceBuffer<std::byte> workspace_;
};

}  // namespace onelogit::cuda
