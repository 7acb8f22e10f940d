#include "metrics/score_grid.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace onelogit {

ScoreGrid::ScoreGrid(float least, float greatest, std::int64_t most_bins) {
  const double low = least, high = greatest, magnitude = std::max(std::abs(low), std::abs(high));
  // Two bins are for rounding down and up at the ends. 2⁻²⁰: bounds are at least eight floats apart.
  const double wanted = std::max({(high - low) / static_cast<double>(most_bins - 2), magnitude * 0x1p-20, 1e-30});
  int exponent = static_cast<int>(std::floor(std::log10(wanted)));
  double digit = 1;
  for (const double candidate : {1.0, 2.0, 5.0, 10.0}) {
    digit = candidate;
    if (candidate * std::pow(10.0, exponent) >= wanted) break;
  }
  if (digit == 10.0) {
    digit = 1;
    ++exponent;
  }
  // A quotient by a power of ten is rounded once, so that 3 · 0.1 is the float 0.3.
  const double power = std::pow(10.0, std::abs(exponent));
  const auto bound = [&](double index) { return exponent < 0 ? index * digit / power : index * digit * power; };
  const double width = bound(1), first = std::floor(low / width), last = std::floor(high / width) + 1;
  const auto count = static_cast<std::int64_t>(last - first);
  edges_.reserve(static_cast<std::size_t>(count) + 1);
  for (std::int64_t b = 0; b <= count; ++b)
    edges_.push_back(static_cast<float>(std::clamp(bound(first + static_cast<double>(b)), -static_cast<double>(FLT_MAX),
                                                   static_cast<double>(FLT_MAX))));
  origin_ = bound(first);
  bins_per_unit_ = 1 / width;
}

}  // namespace onelogit
