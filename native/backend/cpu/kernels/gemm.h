// The portable matrix product, on one thread: C (m×n) = alpha · op(A) · op(B) + beta · C, all row-major; and its inner
// part for operands that others have packed.
#pragma once

#include <cstdint>

#include "backend/cpu/kernels/dispatch.h"
#include "inline.h"

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

// `size` > 0 rows cut into strips of at most `tile_rows`, as equal as can be: full tiles and a rest of one row would
// waste the registers.
struct Strips {
  std::int64_t count, base, larger;  // `larger` strips of base + 1 rows, then strips of base rows
  ONELOGIT_SHARED_INLINE Strips(std::int64_t size, std::int64_t tile_rows)
      : count((size + tile_rows - 1) / tile_rows), base(size / count), larger(size % count) {}
  ONELOGIT_SHARED_INLINE std::int64_t rows(std::int64_t strip) const { return strip < larger ? base + 1 : base; }
  ONELOGIT_SHARED_INLINE std::int64_t begin(std::int64_t strip) const {
    return strip * base + (strip < larger ? strip : larger);
  }
};

// Rows of A × strips of B, both packed; see gemm.cc for the order of elements in a strip.
struct PackedProduct {
  // Strips of a block of A, k deep, one after another with `a_gap` floats between.
  const float* a;
  std::int64_t a_gap, rows, first_strip, end_strip;
  // Strips of B, `b_depth` deep, of which depth b_begin … b_begin + k − 1 are multiplied: all of them tile_columns
  // wide, but the last only as wide as whole vectors need.
  const float* b;
  std::int64_t b_depth, b_begin, columns, first_column, end_column;  // cut at multiples of tile_columns
  std::int64_t k;
  // C = sum + beta · `add` (of C's shape and stride, and may be C) + bias (one per column, or null), at least 0 if
  // `relu`; with beta = 0, `add` is not read.
  float beta;
  const float* add;
  const float* bias;
  bool relu;
  float* c;  // the first row's first column
  std::int64_t ldc;
};

struct GemmKernels {
  // `workspace`: workspace_size float32, 64-byte aligned.
  void (*gemm)(const GemmArguments& product, float* workspace);
  std::int64_t workspace_size;
  void (*multiply_packed)(const PackedProduct& product);
  std::int64_t tile_rows, tile_columns, lanes;
};
ONELOGIT_DECLARE_KERNELS(GemmKernels, gemm_kernels)

}  // namespace onelogit
