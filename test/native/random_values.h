// Reproducible random float32 for native tests, and how close a result must be to a float64 reference.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace onelogit::test {

inline std::vector<float> random_values(std::int64_t n, std::uint32_t seed, float low = -1.0f, float high = 1.0f) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = uniform(engine);
  return values;
}

// |a − b| ≤ absolute + relative · |b|, or both NaN, or the same infinity.
inline bool close(float a, double b, double relative = 1e-5, double absolute = 1e-6) {
  if (std::isnan(b)) return std::isnan(a);
  if (std::isinf(b)) return static_cast<double>(a) == b;
  return std::abs(static_cast<double>(a) - b) <= absolute + relative * std::abs(b);
}

}  // namespace onelogit::test
