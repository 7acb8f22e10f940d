// Whole numbers of blocks.
#pragma once

#include <cstdint>

namespace onelogit {

inline std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
inline std::int64_t round_up(std::int64_t a, std::int64_t granule) { return divide_up(a, granule) * granule; }

}  // namespace onelogit
