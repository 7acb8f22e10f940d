#include "backend/cuda/product.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "backend/backend.h"
#include "device_array.h"
#include "distance.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::distance;

std::vector<float> random_values(std::size_t size, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  for (float& value : values) value = normal(random);
  return values;
}

TEST_CASE("cuda products: row-major, transposed or not, within larger matrices, as on the CPU") {
  std::mt19937 random(1);
  cuda::Products products(nullptr);
  struct Size {
    std::int64_t m, n, k;
  };
  for (const Size size : {Size{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {64, 1, 50}, {1, 64, 50}, {31, 20, 1}})
    for (const bool transpose_a : {false, true})
      for (const bool transpose_b : {false, true})
        for (const float beta : {0.0f, 1.0f, -0.5f}) {
          const auto [m, n, k] = size;
          // Rows longer than they need to be.
          const std::int64_t lda = (transpose_a ? m : k) + 3, ldb = (transpose_b ? k : n) + 2, ldc = n + 5;
          const std::vector<float> a = random_values(static_cast<std::size_t>((transpose_a ? k : m) * lda), random),
                                   b = random_values(static_cast<std::size_t>((transpose_b ? n : k) * ldb), random);
          std::vector<float> c = random_values(static_cast<std::size_t>(m * ldc), random);
          if (beta == 0.0f) c[0] = std::nanf("");  // not read
          const DeviceArray<float> device_a(a), device_b(b);
          DeviceArray<float> device_c(c);
          products.multiply({transpose_a, transpose_b, m, n, k, 1.25f, device_a.data(), cuda::CublasType::float32, lda,
                             device_b.data(), cuda::CublasType::float32, ldb, beta, device_c.data(), ldc});
          cpu_backend().gemm(transpose_a ? Transpose::yes : Transpose::no, transpose_b ? Transpose::yes : Transpose::no,
                             m, n, k, 1.25f, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CHECK(distance(device_c.host(), c) < 1e-5);
        }
}

TEST_CASE("cuda products: bfloat16 inputs, float32 sums") {
  std::mt19937 random(2);
  cuda::Products products(nullptr);
  const std::int64_t m = 9, n = 12, k = 40;
  std::vector<float> a = random_values(static_cast<std::size_t>(m * k), random),
                     b = random_values(static_cast<std::size_t>(n * k), random);
  const auto halved = [](std::vector<float>& values) {
    std::vector<std::uint16_t> bits;
    for (float& value : values) {
      std::uint32_t word;
      std::memcpy(&word, &value, sizeof(word));
      word &= 0xffff0000u;
      std::memcpy(&value, &word, sizeof(word));
      bits.push_back(static_cast<std::uint16_t>(word >> 16));
    }
    return bits;
  };
  const DeviceArray<std::uint16_t> device_a(halved(a)), device_b(halved(b));
  DeviceArray<float> device_c(static_cast<std::size_t>(m * n));
  products.multiply({false, true, m, n, k, 1.0f, device_a.data(), cuda::CublasType::bfloat16, k, device_b.data(),
                     cuda::CublasType::bfloat16, k, 0.0f, device_c.data(), n});
  std::vector<float> c(static_cast<std::size_t>(m * n));
  cpu_backend().gemm(Transpose::no, Transpose::yes, m, n, k, 1.0f, a.data(), k, b.data(), k, 0.0f, c.data(), n);
  CHECK(distance(device_c.host(), c) < 1e-5);
}

}  // namespace
}  // namespace onelogit
