#include <algorithm>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/bfloat16.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/product.h"
#include "backend/cpu/threads.h"

namespace onelogit {

void CpuBackend::gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                      float alpha, const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float beta,
                      float* c, std::int64_t ldc) {
  multiply(
      {transpose_a == Transpose::yes, transpose_b == Transpose::yes, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc});
}

void CpuBackend::dense_forward(const float* x, const float* weight, const float* bias, float* y, std::int64_t m,
                               std::int64_t inputs, std::int64_t outputs) {
  multiply({false, true, m, outputs, inputs, 1.0f, x, inputs, weight, inputs, 0.0f, y, outputs}, bias);
}

void CpuBackend::dense_forward_bfloat16(const float* x, const std::uint16_t* weight, const float* bias, float* y,
                                        std::int64_t m, std::int64_t inputs, std::int64_t outputs) {
  // Rows are converted a block at a time, each thread its own share of the outputs.
  const std::int64_t block = std::clamp<std::int64_t>((1 << 16) / std::max<std::int64_t>(inputs, 1), 16, 1024);
  parallel_for(outputs, block, 16, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> rows(static_cast<std::size_t>(std::min(block, end - begin) * inputs));
    for (std::int64_t first = begin; first < end; first += block) {
      const std::int64_t n = std::min(block, end - first);
      bfloat16_kernels().to_float32(weight + first * inputs, n * inputs, rows.data());
      if (bias != nullptr) elementwise_kernels().fill_rows(bias + first, y + first, m, n, outputs);
      blas_gemm({false, true, m, n, inputs, 1.0f, x, inputs, rows.data(), inputs, bias != nullptr ? 1.0f : 0.0f,
                 y + first, outputs});
    }
  });
}

void CpuBackend::dense_backward_input(const float* dy, const float* weight, float* dx, std::int64_t m,
                                      std::int64_t inputs, std::int64_t outputs) {
  multiply({false, false, m, inputs, outputs, 1.0f, dy, outputs, weight, inputs, 0.0f, dx, inputs});
}

void CpuBackend::dense_backward_weight(const float* x, const float* dy, float* dweight, float* dbias, std::int64_t m,
                                       std::int64_t inputs, std::int64_t outputs) {
  multiply({true, false, outputs, inputs, m, 1.0f, dy, outputs, x, inputs, 0.0f, dweight, inputs});
  if (dbias == nullptr) return;
  parallel_for(outputs, row_grain(m), 16, [&](std::int64_t begin, std::int64_t end) {
    reduction_kernels().column_sums(dy + begin, outputs, dbias + begin, m, end - begin);
  });
}

}  // namespace onelogit
