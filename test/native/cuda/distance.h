// How far two results are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace onelogit::test {

// ‖a − b‖/‖b‖ over what is finite; equal infinities, and NaN where the other is NaN, are no difference. Gradients that
// cancel to rounding errors count as 0.
inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return INFINITY;
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isfinite(b[i])) norm += std::pow(static_cast<double>(b[i]), 2);
    if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / std::max(norm, 1e-6));
}

}  // namespace onelogit::test
