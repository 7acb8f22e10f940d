// Packed, register-blocked matrix product in the manner of Goto and van de Geijn (2008, "Anatomy of high-performance
// matrix multiplication"): a depth × columns block of B and a rows × depth block of A are packed into strips, and an
// inner kernel multiplies a strip of A with a strip of B, keeping its tile of C in registers.

#include "backend/cpu/kernels/gemm.h"

#include "backend/cpu/kernels/gemm_pack.h"
#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// The tile of C: tile_rows × tile_vectors accumulators, and the vectors of B and one of A beside them, fill the
// registers.
#if defined(__AVX512F__)
constexpr int tile_rows = 14, tile_vectors = 2;  // 28 of 32
#elif defined(__AVX2__)
constexpr int tile_rows = 6, tile_vectors = 2;  // 12 of 16
#elif defined(__aarch64__)
constexpr int tile_rows = 8, tile_vectors = 3;  // 24 of 32
#else
constexpr int tile_rows = 4, tile_vectors = 2;  // 8 of 16
#endif
constexpr std::int64_t tile_columns = tile_vectors * lanes;

// A block of A (512 KiB) stays in the second-level cache, a strip of B in the first or second.
constexpr std::int64_t most_rows = 256, most_depth = 512, most_columns = 1024 / tile_columns * tile_columns;

// Of float32; packing may write a vector past the end.
constexpr std::int64_t a_size = most_rows * most_depth + 64, b_size = most_depth * most_columns + 64;

// C tile (rows × columns, columns ≤ vectors·lanes) = a strip · b strip + beta · C tile.
template <int rows, int vectors>
void multiply_tile(std::int64_t k, const float* a, const float* b, float beta, float* c, std::int64_t ldc,
                   std::int64_t columns) {
  VectorF sum[rows][vectors] = {};
  for (std::int64_t l = 0; l < k; ++l, a += rows, b += vectors * lanes) {
    VectorF right[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) right[v] = load(b + v * lanes);
#if defined(__aarch64__)
    // Multiplying by one lane is part of the instruction; eight broadcasts would take registers that the sums need.
    VectorF left[(rows + lanes - 1) / lanes];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r += lanes) left[r / lanes] = load(a + r);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] += right[v] * left[r / lanes][r % lanes];
    }
#else
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const VectorF left = broadcast(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] += left * right[v];
    }
#endif
  }
  const std::int64_t last = columns - (vectors - 1) * lanes;  // columns of the last vector
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r, c += ldc) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      float* const to = c + v * lanes;
      if (v + 1 < vectors || last == lanes) {
        store(to, beta == 0.0f ? sum[r][v] : sum[r][v] + beta * load(to));
      } else {
        store_partial(to, beta == 0.0f ? sum[r][v] : sum[r][v] + beta * load_partial(to, last, 0.0f), last);
      }
    }
  }
}

using TileKernel = void (*)(std::int64_t, const float*, const float*, float, float*, std::int64_t, std::int64_t);

struct TileTable {
  TileKernel kernel[tile_rows + 1][tile_vectors + 1];
};
template <int rows, int vectors>
constexpr void fill_tiles(TileTable& table) {
  table.kernel[rows][vectors] = multiply_tile<rows, vectors>;
  if constexpr (vectors > 1) {
    fill_tiles<rows, vectors - 1>(table);
  } else if constexpr (rows > 1) {
    fill_tiles<rows - 1, tile_vectors>(table);
  }
}
constexpr TileTable make_tiles() {
  TileTable table = {};
  fill_tiles<tile_rows, tile_vectors>(table);
  return table;
}
constexpr TileTable tiles = make_tiles();

ONELOGIT_INLINE std::int64_t smaller(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
ONELOGIT_INLINE std::int64_t round_up(std::int64_t a, std::int64_t granule) {
  return (a + granule - 1) / granule * granule;
}
// The length of each block when `size` is cut evenly into as few blocks of at most `most` as it takes.
ONELOGIT_INLINE std::int64_t even_block(std::int64_t size, std::int64_t most, std::int64_t granule) {
  const std::int64_t blocks = (size + most - 1) / most;
  return round_up((size + blocks - 1) / blocks, granule);
}

// `size` rows cut into strips as equal as can be: full tiles and a rest of one row would waste the registers.
struct Strips {
  std::int64_t count, base, larger;  // `larger` strips of base + 1 rows, then strips of base rows
  ONELOGIT_INLINE explicit Strips(std::int64_t size)
      : count((size + tile_rows - 1) / tile_rows), base(size / count), larger(size % count) {}
  ONELOGIT_INLINE std::int64_t rows(std::int64_t strip) const { return strip < larger ? base + 1 : base; }
  ONELOGIT_INLINE std::int64_t begin(std::int64_t strip) const { return strip * base + smaller(strip, larger); }
};

void pack_a(const GemmArguments& p, std::int64_t i, std::int64_t l, std::int64_t k, const Strips& strips, float* out) {
  for (std::int64_t strip = 0; strip < strips.count; ++strip) {
    const std::int64_t rows = strips.rows(strip), row = i + strips.begin(strip);
    if (p.transpose_a) {
      pack_straight(p.a + l * p.lda + row, p.lda, rows, k, p.alpha, rows, out);
    } else {
      pack_transposed(p.a + row * p.lda + l, p.lda, rows, k, p.alpha, rows, out);
    }
    out += rows * k;
  }
}

// Each strip as wide as whole vectors need.
void pack_b(const GemmArguments& p, std::int64_t j, std::int64_t n, std::int64_t l, std::int64_t k, float* out) {
  for (std::int64_t column = 0; column < n; column += tile_columns) {
    const std::int64_t count = smaller(tile_columns, n - column), width = round_up(count, lanes);
    if (p.transpose_b) {
      pack_transposed(p.b + (j + column) * p.ldb + l, p.ldb, count, k, 1.0f, width, out);
    } else {
      pack_straight(p.b + l * p.ldb + j + column, p.ldb, count, k, 1.0f, width, out);
    }
    out += width * k;
  }
}

void gemm(const GemmArguments& p, float* workspace) {
  float* const a = workspace;
  float* const b = workspace + a_size;
  const std::int64_t rows = even_block(p.m, most_rows, 1), depth = even_block(p.k, most_depth, 1);
  const std::int64_t columns = even_block(p.n, most_columns, tile_columns);
  for (std::int64_t j = 0; j < p.n; j += columns) {
    const std::int64_t n = smaller(columns, p.n - j);
    for (std::int64_t l = 0; l < p.k; l += depth) {
      const std::int64_t k = smaller(depth, p.k - l);
      const float beta = l == 0 ? p.beta : 1.0f;
      pack_b(p, j, n, l, k, b);
      for (std::int64_t i = 0; i < p.m; i += rows) {
        const Strips strips(smaller(rows, p.m - i));
        pack_a(p, i, l, k, strips, a);
        for (std::int64_t column = 0; column < n; column += tile_columns) {
          const std::int64_t count = smaller(tile_columns, n - column);
          const std::int64_t vectors = (count + lanes - 1) / lanes;
          const float* a_strip = a;
          for (std::int64_t strip = 0; strip < strips.count; ++strip) {
            const std::int64_t height = strips.rows(strip);
            tiles.kernel[height][vectors](k, a_strip, b + column * k, beta,
                                          p.c + (i + strips.begin(strip)) * p.ldc + j + column, p.ldc, count);
            a_strip += height * k;
          }
        }
      }
    }
  }
}

}  // namespace

const GemmKernels gemm_kernels_table = {gemm, a_size + b_size};

}  // namespace onelogit::ONELOGIT_SIMD
