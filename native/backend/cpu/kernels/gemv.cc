#include "backend/cpu/kernels/gemv.h"

#include "backend/cpu/kernels/shuffle.h"
#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// Rows of A at a time, and rows of B with them: their products of vectors, all in registers.
constexpr int most_rows = 4;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int columns_of_many = 4;  // 16 of 32 registers
#else
constexpr int columns_of_many = 2;  // 8 of 16
#endif
// Where gemm's rate overtakes (bench/native/gemm.cc).
#if defined(__AVX512F__)
constexpr std::int64_t most_few_rows = 24;
#elif defined(__AVX2__)
constexpr std::int64_t most_few_rows = 6;
#else
constexpr std::int64_t most_few_rows = 8;
#endif

// C (rows × columns) of this tile.
template <int rows, int columns>
ONELOGIT_INLINE void dot_tile(const GemmArguments& p, std::int64_t i, std::int64_t j) {
  const float* a = p.a + i * p.lda;
  const float* b = p.b + j * p.ldb;
  VectorF dot[rows * columns] = {};
  std::int64_t l = 0;
  for (; l + lanes <= p.k; l += lanes) {
    VectorF left[rows];
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) left[r] = load(a + r * p.lda + l);
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c) {
      const VectorF right = load(b + c * p.ldb + l);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) dot[r * columns + c] += left[r] * right;
    }
  }
  if (l < p.k) {
    const std::int64_t rest = p.k - l;
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c) {
      const VectorF right = load_partial(b + c * p.ldb + l, rest, 0.0f);
#pragma GCC unroll 4
      for (int r = 0; r < rows; ++r) dot[r * columns + c] += load_partial(a + r * p.lda + l, rest, 0.0f) * right;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
    VectorF row[columns];
    float total[columns];
#pragma GCC unroll 4
    for (int c = 0; c < columns; ++c) row[c] = dot[r * columns + c];
    sums(row, total);
    float* const c = p.c + (i + r) * p.ldc + j;
#pragma GCC unroll 4
    for (int q = 0; q < columns; ++q) c[q] = p.alpha * total[q] + (p.beta == 0.0f ? 0.0f : p.beta * c[q]);
  }
}

template <int rows>
void few_rows_of_a(const GemmArguments& p, std::int64_t i, std::int64_t begin, std::int64_t end) {
  constexpr int columns = rows <= 2 ? 4 : columns_of_many;
  std::int64_t j = begin;
  for (; j + columns <= end; j += columns) dot_tile<rows, columns>(p, i, j);
  if constexpr (columns == 4) {
    if (j + 2 <= end) {
      dot_tile<rows, 2>(p, i, j);
      j += 2;
    }
  }
  for (; j < end; ++j) dot_tile<rows, 1>(p, i, j);
}

void few_rows(const GemmArguments& p) {
  // A block of B stays in the first-level cache (16 KiB) while all rows of A pass over it.
  const std::int64_t fitting = 4096 / (p.k > 0 ? p.k : 1) / 4 * 4;
  const std::int64_t block = p.m <= most_rows ? p.n : fitting > 4 ? fitting : 4;
  for (std::int64_t j = 0; j < p.n; j += block) {
    const std::int64_t end = j + block < p.n ? j + block : p.n;
    std::int64_t i = 0;
    for (; i + most_rows <= p.m; i += most_rows) few_rows_of_a<most_rows>(p, i, j, end);
    switch (p.m - i) {
      case 3:
        few_rows_of_a<3>(p, i, j, end);
        break;
      case 2:
        few_rows_of_a<2>(p, i, j, end);
        break;
      case 1:
        few_rows_of_a<1>(p, i, j, end);
        break;
      default:
        break;
    }
  }
}

void one_row(const GemmArguments& p) {
  // A block of C stays in the first-level cache (16 KiB) while four rows of B at a time are added to it.
  constexpr std::int64_t block = 4096;
  const std::int64_t stride = p.transpose_a ? p.lda : 1;
  for (std::int64_t begin = 0; begin < p.n; begin += block) {
    const std::int64_t n = begin + block < p.n ? block : p.n - begin;
    float* const c = p.c + begin;
    if (p.beta == 0.0f) {
      for (std::int64_t j = 0; j < n; ++j) c[j] = 0.0f;
    } else if (p.beta != 1.0f) {
      for (std::int64_t j = 0; j < n; ++j) c[j] *= p.beta;
    }
    std::int64_t l = 0;
    for (; l + 4 <= p.k; l += 4) {
      const float* const b0 = p.b + l * p.ldb + begin;
      const float* const b1 = b0 + p.ldb;
      const float* const b2 = b1 + p.ldb;
      const float* const b3 = b2 + p.ldb;
      const float a0 = p.alpha * p.a[l * stride], a1 = p.alpha * p.a[(l + 1) * stride];
      const float a2 = p.alpha * p.a[(l + 2) * stride], a3 = p.alpha * p.a[(l + 3) * stride];
      std::int64_t j = 0;
      for (; j + lanes <= n; j += lanes)
        store(c + j, load(c + j) + a0 * load(b0 + j) + a1 * load(b1 + j) + a2 * load(b2 + j) + a3 * load(b3 + j));
      for (; j < n; ++j) c[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j];
    }
    for (; l < p.k; ++l) {
      const float* const b = p.b + l * p.ldb + begin;
      const float a = p.alpha * p.a[l * stride];
      std::int64_t j = 0;
      for (; j + lanes <= n; j += lanes) store(c + j, load(c + j) + a * load(b + j));
      for (; j < n; ++j) c[j] += a * b[j];
    }
  }
}

}  // namespace

const GemvKernels gemv_kernels_table = {few_rows, most_few_rows, one_row};

}  // namespace onelogit::ONELOGIT_SIMD
