#include "backend/cuda/product.h"

#include <algorithm>
#include <limits>
#include <string>

#include "backend/cuda/dense.h"
#include "error.h"

namespace onelogit::cuda {
namespace {

// What NVIDIA recommends for its largest devices.
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

// cuBLAS counts in int. A multiple of 64, so that the parts stay aligned.
constexpr std::int64_t most = std::numeric_limits<int>::max() / 64 * 64;

void check_cublas(CublasStatus status, const char* what) {
  if (status == 0) return;
  const bool memory = status == 3;  // CUBLAS_STATUS_ALLOC_FAILED
  throw Error(ErrorKind::operation, memory ? "ERR_ONELOGIT_OUT_OF_MEMORY" : "ERR_ONELOGIT_CUDA",
              std::string("Expected ") + what + " by cuBLAS but received its status " + std::to_string(status));
}

std::size_t width(CublasType type) { return type == CublasType::float32 ? 4 : 2; }

const void* moved(const void* matrix, CublasType type, std::int64_t elements) {
  return static_cast<const std::byte*>(matrix) + static_cast<std::size_t>(elements) * width(type);
}

}  // namespace

Products::Products(cudaStream_t stream, Precision precision) : stream_(stream), precision_(precision) {
  const Cublas& library = cublas();
  if (!library.available())
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_CUDA", "Expected cuBLAS but received: " + library.reason);
  workspace_ = DeviceBuffer<std::byte>(workspace_bytes, "the workspace of cuBLAS");
  CublasHandle handle = nullptr;
  check_cublas(library.create(&handle), "a handle");
  handle_.reset(handle);
  check_cublas(library.set_stream(handle, stream_), "a stream");
  // After the stream, which takes the workspace away.
  check_cublas(library.set_workspace(handle, workspace_.data(), workspace_bytes), "a workspace");
}

Operand Products::operand(const float* matrix, std::int64_t size, const DeviceBuffer<std::uint16_t>& to) const {
  if (precision_ != Precision::bfloat16) return {matrix, CublasType::float32};
  float32_to_bfloat16(stream_, matrix, to.data(), size);
  return {to.data(), CublasType::bfloat16};
}

const std::uint16_t* Products::round(const void* matrix, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                                     DeviceBuffer<std::uint16_t>& to) {
  if (const auto size = static_cast<std::size_t>(rows * columns); to.size() < size) {
    to = {};  // first, so that there is room
    to = DeviceBuffer<std::uint16_t>(size, "an operand as bfloat16");
    ++replacements_;
  }
  rows_to_bfloat16(stream_, static_cast<const float*>(matrix), stride, to.data(), rows, columns);
  return to.data();
}

void Products::multiply(const Product& product) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Product p = product;
  if (precision_ == Precision::bfloat16) {
    if (p.a_type == CublasType::float32) {
      const std::int64_t rows = p.transpose_a ? p.k : p.m, columns = p.transpose_a ? p.m : p.k;
      p.a = round(p.a, rows, columns, p.lda, a_);
      p.lda = std::max<std::int64_t>(columns, 1);
      p.a_type = CublasType::bfloat16;
    }
    if (p.b_type == CublasType::float32) {
      const std::int64_t rows = p.transpose_b ? p.n : p.k, columns = p.transpose_b ? p.k : p.n;
      p.b = round(p.b, rows, columns, p.ldb, b_);
      p.ldb = std::max<std::int64_t>(columns, 1);
      p.b_type = CublasType::bfloat16;
    }
  }
  queue(p);
}

void Products::queue(const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  // cuBLAS does not say what it does with k = 0, and a leading dimension may then be 0, which it refuses.
  if (p.k == 0) return scale_rows(stream_, p.c, p.ldc, p.beta, p.m, p.n);
  if (p.lda > most || p.ldb > most || p.ldc > most)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE", "Expected rows of fewer than 2^31 elements for a product");
  const CublasCompute compute = precision_ == Precision::tf32 ? CublasCompute::tf32 : CublasCompute::float32;
  for (std::int64_t row = 0; row < p.m; row += most)
    for (std::int64_t column = 0; column < p.n; column += most)
      for (std::int64_t inner = 0; inner < p.k; inner += most) {
        const auto m = static_cast<int>(std::min(most, p.m - row)), n = static_cast<int>(std::min(most, p.n - column)),
                   k = static_cast<int>(std::min(most, p.k - inner));
        const float beta = inner == 0 ? p.beta : 1.0f;
        const void* const a = moved(p.a, p.a_type, p.transpose_a ? inner * p.lda + row : row * p.lda + inner);
        const void* const b = moved(p.b, p.b_type, p.transpose_b ? column * p.ldb + inner : inner * p.ldb + column);
        // Column-major, row-major matrices are their transposes: Cᵀ = op(B)ᵀ op(A)ᵀ.
        check_cublas(cublas().gemm(handle_.get(), p.transpose_b ? CublasOperation::transpose : CublasOperation::none,
                                   p.transpose_a ? CublasOperation::transpose : CublasOperation::none, n, m, k,
                                   &p.alpha, b, p.b_type, static_cast<int>(p.ldb), a, p.a_type, static_cast<int>(p.lda),
                                   &beta, p.c + row * p.ldc + column, CublasType::float32, static_cast<int>(p.ldc),
                                   compute, cublas_gemm_default),
                     "a matrix product");
      }
}

}  // namespace onelogit::cuda
