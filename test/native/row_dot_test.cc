#include "backend/cpu/kernels/row_dot.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "random_values.h"
#include "simd_levels.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

using test::close;
using test::edge_lengths;
using test::random_values;

TEST_CASE("dot products with rows of every storage equal float64 at every length") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(row_dot_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const auto a = random_values(n, 1), b = random_values(n, 2);
      std::vector<std::uint16_t> half;
      std::vector<std::int8_t> bytes;
      double dot = 0, half_dot = 0, byte_dot = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        half.push_back(float32_to_bfloat16(b[i]));
        // The first two are the ends of the range.
        bytes.push_back(static_cast<std::int8_t>(i == 0 ? -127.0f : i == 1 ? 127.0f : std::nearbyint(127.0f * b[i])));
        dot += static_cast<double>(a[i]) * b[i];
        half_dot += static_cast<double>(a[i]) * bfloat16_to_float32(half.back());
        byte_dot += static_cast<double>(a[i]) * bytes.back();
      }
      const double absolute = 1e-7 * static_cast<double>(n);
      CHECK(close(kernels.float32(a.data(), b.data(), n), dot, 1e-6, absolute));
      CHECK(close(kernels.bfloat16(a.data(), half.data(), n), half_dot, 1e-6, absolute));
      CHECK(close(kernels.int8(a.data(), bytes.data(), n), byte_dot, 1e-6, 127 * absolute));
    }
  }
}

}  // namespace
}  // namespace onelogit
