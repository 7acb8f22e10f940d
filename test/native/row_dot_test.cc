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

// `elements`: rows_at_once rows, without gaps.
template <class Element>
void check_rows(RowDotKernels::Dot one, RowDotKernels::Dots several, const std::vector<float>& features,
                const std::vector<Element>& elements) {
  const auto n = static_cast<std::int64_t>(features.size());
  for (std::int64_t count = 1; count <= RowDotKernels::rows_at_once; ++count) {
    CAPTURE(count);
    const void* rows[RowDotKernels::rows_at_once];
    float out[RowDotKernels::rows_at_once];
    for (std::int64_t r = 0; r < count; ++r) rows[r] = elements.data() + r * n;
    several(features.data(), rows, count, n, out);
    for (std::int64_t r = 0; r < count; ++r) CHECK(out[r] == one(features.data(), rows[r], n));
  }
}

TEST_CASE("dot products of several rows have the bits of one row's") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(row_dot_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const auto features = random_values(n, 3), numbers = random_values(RowDotKernels::rows_at_once * n, 4);
      std::vector<std::uint16_t> half;
      std::vector<std::int8_t> bytes;
      for (const float number : numbers) {
        half.push_back(float32_to_bfloat16(number));
        bytes.push_back(static_cast<std::int8_t>(std::nearbyint(127.0f * number)));
      }
      check_rows(kernels.float32, kernels.float32_rows, features, numbers);
      check_rows(kernels.bfloat16, kernels.bfloat16_rows, features, half);
      check_rows(kernels.int8, kernels.int8_rows, features, bytes);
    }
  }
}

}  // namespace
}  // namespace onelogit
