// Matrix products by cuBLAS, in the row-major terms of backend.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "backend/cuda/cublas.h"
#include "backend/cuda/device_buffer.h"
#include "backend/precision.h"

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

// A matrix as products take it.
struct Operand {
  const void* data = nullptr;
  CublasType type = CublasType::float32;
};

// A cuBLAS handle for one stream, with a workspace of its own so that products can be captured in graphs. In bfloat16,
// float32 operands are rounded into memory that grows to the largest seen; an operand that is bfloat16 is used as it
// is. Any thread.
class Products {
 public:
  // Throws ERR_ONELOGIT_CUDA without cuBLAS.
  explicit Products(cudaStream_t stream, Precision precision = Precision::float32);

  Precision precision() const { return precision_; }
  // The matrix, or, in bfloat16, what it is rounded to in `to`, which has room for it: for an operand of several
  // products, each of which would round it anew. Queued on the stream.
  Operand operand(const float* matrix, std::int64_t size, const DeviceBuffer<std::uint16_t>& to) const;
  // Queued on the stream. A dimension beyond 2³¹ − 1 is cut into several products. Operands of two types only in
  // bfloat16.
  void multiply(const Product& product);
  // Counts how often memory of rounded operands was replaced: launches captured before are not to be replayed.
  std::uint64_t replacements() const { return replacements_; }

 private:
  void queue(const Product& product);
  const std::uint16_t* round(const void* matrix, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                             DeviceBuffer<std::uint16_t>& to);

  struct Destroy {
    void operator()(CublasHandle handle) const { static_cast<void>(cublas().destroy(handle)); }
  };

  cudaStream_t stream_;
  Precision precision_;
  DeviceBuffer<std::byte> workspace_;  // the handle's: it goes after it
  std::unique_ptr<CublasContext, Destroy> handle_;
  std::mutex mutex_;                   // held until a product and what rounds its operands are queued
  DeviceBuffer<std::uint16_t> a_, b_;  // rounded operands, rows one after another
  std::uint64_t replacements_ = 0;
};

}  // namespace onelogit::cuda
