// Reproducible random float32 for native tests, and how close a result must be to a float64 reference.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace onelogit::test {

inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float infinity = std::numeric_limits<float>::infinity();

// A std::vector of exactly n, so that AddressSanitizer sees a kernel that goes past its end.
inline std::vector<float> random_values(std::int64_t n, std::uint32_t seed, float low = -1.0f, float high = 1.0f) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = uniform(engine);
  return values;
}

// Puts ±0, ±1e4, ±infinity, NaN and a subnormal into every 7th place or so.
inline std::vector<float> hostile_values(std::int64_t n, std::uint32_t seed) {
  static constexpr float hostile[] = {0.0f, -0.0f, 1e4f, -1e4f, infinity, -infinity, nan, 1e-40f, -1e-40f};
  std::vector<float> values = random_values(n, seed);
  for (std::int64_t i = seed % 5; i < n; i += 7) values[i] = hostile[(i / 7 + seed) % 9];
  return values;
}

// |a − b| ≤ absolute + relative · |b|, or both NaN, or the same infinity.
inline bool close(float a, double b, double relative = 1e-5, double absolute = 1e-6) {
  if (std::isnan(b)) return std::isnan(a);
  if (std::isinf(b)) return static_cast<double>(a) == b;
  return std::abs(static_cast<double>(a) - b) <= absolute + relative * std::abs(b);
}

// Same value, NaN being the same as NaN and 0 not as −0.
inline bool same(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

// Lengths around the vectors of every instruction set, empty included.
inline constexpr std::int64_t edge_lengths[] = {0,  1,  2,  3,  4,  5,  7,  8,   9,   15,
                                                16, 17, 31, 33, 63, 64, 65, 127, 200, 1000};

}  // namespace onelogit::test
