#include "backend/cuda/product.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "backend/backend.h"
#include "device_array.h"
#include "distance.h"
#include "tensor/bfloat16.h"

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
  for (const Size size : {Size{1, 1, 1}, {3, 5, 7}, {17, 33, 9}, {64, 1, 50}, {1, 64, 50}, {31, 20, 1}, {5, 4, 0}})
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

// What a precision makes of an operand.
float rounded(Precision precision, float value) {
  if (precision == Precision::bfloat16) return bfloat16_to_float32(float32_to_bfloat16(value));
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (precision == Precision::tf32) bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
std::vector<float> rounded(Precision precision, std::vector<float> values) {
  for (float& value : values) value = rounded(precision, value);
  return values;
}
std::vector<std::uint16_t> halves(const std::vector<float>& values) {
  std::vector<std::uint16_t> bits;
  for (const float value : values) bits.push_back(float32_to_bfloat16(value));
  return bits;
}

// How far a product may be from that of rounded operands. Which way cuBLAS rounds to TF32, to nearest or towards 0, and
// whether it takes float32 for small products all the same, is its choice.
double tolerance(Precision precision) {
#if defined(ONELOGIT_CUDA_HOST)
  static_cast<void>(precision);
  return 1e-5;
#else
  return precision == Precision::tf32 ? 3e-3 : 1e-5;
#endif
}

TEST_CASE("cuda products: in every precision the product of rounded operands, some of them rounded before") {
  std::mt19937 random(2);
  struct Size {
    std::int64_t m, n, k, more;  // rows longer by `more` than they need to be
  };
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bfloat16}) {
    cuda::Products products(nullptr, precision);
    for (const Size size :
         {Size{1, 1, 1, 0}, {9, 12, 40, 0}, {17, 33, 9, 3}, {64, 1, 50, 1}, {0, 3, 4, 0}, {3, 2, 0, 1}})
      for (const bool transpose_a : {false, true})
        for (const bool transpose_b : {false, true})
          for (int stored = 0; stored < 4; ++stored) {  // bit 0: a is bfloat16 in memory, bit 1: b is
            const bool a_stored = (stored & 1) != 0, b_stored = (stored & 2) != 0;
            if (precision != Precision::bfloat16 && stored != 0 && stored != 3) continue;
            const auto [m, n, k, more] = size;
            const std::int64_t lda = std::max<std::int64_t>(transpose_a ? m : k, 1) + more,
                               ldb = std::max<std::int64_t>(transpose_b ? k : n, 1) + more, ldc = n + more;
            const std::vector<float> a = random_values(static_cast<std::size_t>((transpose_a ? k : m) * lda), random),
                                     b = random_values(static_cast<std::size_t>((transpose_b ? n : k) * ldb), random);
            const DeviceArray<float> device_a(a), device_b(b);
            const DeviceArray<std::uint16_t> half_a(halves(a)), half_b(halves(b));
            std::vector<float> c = random_values(static_cast<std::size_t>(m * ldc), random);
            DeviceArray<float> device_c(c);
            cuda::Product product{transpose_a, transpose_b, m, n, k, -0.75f};
            const auto place = [](const DeviceArray<float>& whole, const DeviceArray<std::uint16_t>& half,
                                  bool is_half) -> const void* {
              if (is_half) return half.data();
              return whole.data();
            };
            product.a = place(device_a, half_a, a_stored);
            product.b = place(device_b, half_b, b_stored);
            product.a_type = a_stored ? cuda::CublasType::bfloat16 : cuda::CublasType::float32;
            product.b_type = b_stored ? cuda::CublasType::bfloat16 : cuda::CublasType::float32;
            product.lda = lda;
            product.ldb = ldb;
            product.beta = 0.5f;
            product.c = device_c.data();
            product.ldc = ldc;
            products.multiply(product);
            const std::vector<float> rounded_a = rounded(a_stored ? Precision::bfloat16 : precision, a),
                                     rounded_b = rounded(b_stored ? Precision::bfloat16 : precision, b);
            cpu_backend().gemm(transpose_a ? Transpose::yes : Transpose::no,
                               transpose_b ? Transpose::yes : Transpose::no, m, n, k, -0.75f, rounded_a.data(), lda,
                               rounded_b.data(), ldb, 0.5f, c.data(), ldc);
            CAPTURE(std::string(precision_name(precision)));
            CAPTURE(m);
            CAPTURE(n);
            CAPTURE(k);
            CAPTURE(stored);
            CHECK(distance(device_c.host(), c) < tolerance(precision));
          }
  }
}

TEST_CASE("cuda products: steps after the first allocate nothing for operands that they round") {
  std::mt19937 random(3);
  cuda::Products products(nullptr, Precision::bfloat16);
  const std::vector<float> values = random_values(600, random);
  const DeviceArray<float> a(values), b(values);
  DeviceArray<float> c(900);
  const auto step = [&](std::int64_t largest) {
    for (std::int64_t size = 1; size <= largest; ++size)
      products.multiply({.m = size,
                         .n = size,
                         .k = 20,
                         .a = a.data(),
                         .lda = 20,
                         .b = b.data(),
                         .ldb = size,
                         .c = c.data(),
                         .ldc = size});
  };
  step(10);
  const std::uint64_t replacements = products.replacements();
  cuda_host::limit_memory(1);
  step(10);
  CHECK(products.replacements() == replacements);
  CHECK_THROWS(step(30));  // so much more that it does not fit where the old memory was
  cuda_host::limit_memory(0);
  step(30);
  CHECK(products.replacements() > replacements);
}

TEST_CASE("precision: names are those of the option") {
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bfloat16})
    CHECK(precision_of_name(precision_name(precision)) == precision);
  CHECK(precision_of_name("tf32") == Precision::tf32);
  CHECK_FALSE(precision_of_name("float16"));
}

}  // namespace
}  // namespace onelogit
