// How the losses cut an m×k matrix: by sizes alone, so that partial results, merged in order, are the same for any
// number of threads. A tile is a run of whole rows, or, where a row is long, a part of one.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/cpu/threads.h"

namespace onelogit {

constexpr std::int64_t tile_elements =
    8192;  // 32 KiB of logits and as much gradient stay in the first two cache levels
constexpr std::int64_t longest_whole_row = 16384;

struct Tile {
  std::int64_t row_begin, row_end, column_begin, column_end;
  std::int64_t rows() const { return row_end - row_begin; }
  std::int64_t columns() const { return column_end - column_begin; }
  bool holds(std::int64_t column) const { return column >= column_begin && column < column_end; }
};

class Tiling {
 public:
  Tiling(std::int64_t m, std::int64_t k) : m_(m), k_(k) {
    if (k <= longest_whole_row) {
      rows_ = std::max<std::int64_t>(1, tile_elements / k);
      columns_ = k;
    } else {
      rows_ = 1;
      parts_ = (k + tile_elements - 1) / tile_elements;
      columns_ = tile_elements;
    }
  }
  std::int64_t parts_of_row() const { return parts_; }
  std::int64_t count() const { return (m_ + rows_ - 1) / rows_ * parts_; }
  Tile operator[](std::int64_t index) const {
    const std::int64_t row = index / parts_ * rows_, column = index % parts_ * columns_;
    return {row, std::min(m_, row + rows_), column, std::min(k_, column + columns_)};
  }

 private:
  std::int64_t m_, k_, rows_, columns_, parts_ = 1;
};

// body(tile index) for every tile, on the pool.
template <class Body>
void parallel_tiles(std::int64_t count, const Body& body) {
  parallel_for(count, 2, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) body(t);
  });
}

// The same over a flat run of n elements: body(tile index, first element, element count).
inline std::int64_t flat_tile_count(std::int64_t n) { return (n + tile_elements - 1) / tile_elements; }
template <class Body>
void parallel_flat_tiles(std::int64_t n, const Body& body) {
  parallel_tiles(flat_tile_count(n), [&](std::int64_t t) {
    const std::int64_t begin = t * tile_elements;
    body(t, begin, std::min(tile_elements, n - begin));
  });
}

}  // namespace onelogit
