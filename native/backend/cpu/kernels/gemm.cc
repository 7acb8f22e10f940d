// Packed, register-blocked matrix product in the manner of Goto and van de Geijn (2008, "Anatomy of high-performance
// matrix multiplication"): a depth × columns block of B and a rows × depth block of A are packed into strips, and an
// inner kernel multiplies a strip of A with a strip of B, keeping its tile of C in registers.

#include "backend/cpu/kernels/gemm.h"

#include "backend/cpu/kernels/gemm_pack.h"
#include "backend/cpu/kernels/gemm_tile.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// A block of A (512 KiB) stays in the second-level cache, a strip of B in the first or second.
constexpr std::int64_t most_rows = 256, most_depth = 512, most_columns = 1024 / tile_columns * tile_columns;

// Of float32; packing may write a vector past the end.
constexpr std::int64_t a_size = most_rows * most_depth + 64, b_size = most_depth * most_columns + 64;

// One tile of a PackedProduct: a strip of A, a strip of B and the tile's places in C, `add` and the bias.
struct Tile {
  std::int64_t k;
  const float* a;
  const float* b;
  float beta;
  const float* add;
  const float* bias;
  bool relu;
  float* c;
  std::int64_t ldc, columns;  // columns ≤ vectors · lanes
};

template <int rows, int vectors>
void multiply_tile(const Tile& tile) {
  VectorF sum[rows][vectors] = {};
  const float *a = tile.a, *b = tile.b;
  for (std::int64_t l = tile.k; l > 0; --l, a += rows, b += vectors * lanes) {
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
  const std::int64_t last = tile.columns - (vectors - 1) * lanes;  // columns of the last vector
  const auto load_columns = [last](const float* p, int v) __attribute__((always_inline)) {
    return v + 1 < vectors || last == lanes ? load(p + v * lanes) : load_partial(p + v * lanes, last, 0.0f);
  };
  if (tile.beta != 0.0f) {
    const float* add = tile.add;
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r, add += tile.ldc) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] += tile.beta * load_columns(add, v);
    }
  }
  if (tile.bias != nullptr) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const VectorF bias = load_columns(tile.bias, v);
#pragma GCC unroll 16
      for (int r = 0; r < rows; ++r) sum[r][v] += bias;
    }
  }
  if (tile.relu) {
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sum[r][v] = max(VectorF{}, sum[r][v]);
    }
  }
  float* c = tile.c;
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r, c += tile.ldc) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      if (v + 1 < vectors || last == lanes) {
        store(c + v * lanes, sum[r][v]);
      } else {
        store_partial(c + v * lanes, sum[r][v], last);
      }
    }
  }
}

using TileKernel = void (*)(const Tile&);

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

// The length of each block when `size` is cut evenly into as few blocks of at most `most` as it takes.
ONELOGIT_INLINE std::int64_t even_block(std::int64_t size, std::int64_t most, std::int64_t granule) {
  const std::int64_t blocks = (size + most - 1) / most;
  return round_up((size + blocks - 1) / blocks, granule);
}

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

void multiply_packed(const PackedProduct& p) {
  const Strips strips(p.rows, tile_rows);
  Tile tile{};
  tile.k = p.k;
  tile.beta = p.beta;
  tile.relu = p.relu;
  tile.ldc = p.ldc;
  for (std::int64_t column = p.first_column; column < p.end_column; column += tile_columns) {
    tile.columns = smaller(tile_columns, p.columns - column);
    const std::int64_t vectors = (tile.columns + lanes - 1) / lanes;
    tile.b = p.b + column * p.b_depth + p.b_begin * vectors * lanes;
    if (p.bias != nullptr) tile.bias = p.bias + column;
    for (std::int64_t strip = p.first_strip; strip < p.end_strip; ++strip) {
      const std::int64_t begin = strips.begin(strip), place = begin * p.ldc + column;
      tile.a = p.a + begin * p.k + strip * p.a_gap;
      if (p.beta != 0.0f) tile.add = p.add + place;
      tile.c = p.c + place;
      tiles.kernel[strips.rows(strip)][vectors](tile);
    }
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
      pack_b(p, j, n, l, k, b);
      for (std::int64_t i = 0; i < p.m; i += rows) {
        const std::int64_t m = smaller(rows, p.m - i);
        const Strips strips(m, tile_rows);
        pack_a(p, i, l, k, strips, a);
        float* const c = p.c + i * p.ldc + j;
        multiply_packed(
            {a, 0, m, 0, strips.count, b, k, 0, n, 0, n, k, l == 0 ? p.beta : 1.0f, c, nullptr, false, c, p.ldc});
      }
    }
  }
}

}  // namespace

const GemmKernels gemm_kernels_table = {gemm, a_size + b_size, multiply_packed, tile_rows, tile_columns, lanes};

}  // namespace onelogit::ONELOGIT_SIMD
