// How much work is worth handing to the pool.
#pragma once

#include <algorithm>
#include <cstdint>

namespace onelogit {

// Elements of an elementwise operation per thread at least: about as long (a few microseconds) as a hand-over.
inline constexpr std::int64_t elementwise_grain = 16384;

// The same in rows of n elements.
inline std::int64_t row_grain(std::int64_t n) {
  return std::max<std::int64_t>(1, elementwise_grain / std::max<std::int64_t>(n, 1));
}

}  // namespace onelogit
