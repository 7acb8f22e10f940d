#include <doctest/doctest.h>

#include <limits>

#include "backend/backend.h"
#include "random_values.h"

namespace onelogit {
namespace {

using test::close;
using test::random_values;

struct Shape3 {
  std::int64_t m, n, k;
};

void check_product(Transpose ta, Transpose tb, Shape3 shape, float alpha, float beta, std::int64_t padding) {
  const auto [m, n, k] = shape;
  const std::int64_t lda = (ta == Transpose::yes ? m : k) + padding, ldb = (tb == Transpose::yes ? k : n) + padding;
  const std::int64_t ldc = n + padding;
  const auto a = random_values((ta == Transpose::yes ? k : m) * lda, 1);
  const auto b = random_values((tb == Transpose::yes ? n : k) * ldb, 2);
  auto c = random_values(m * ldc, 3);
  if (beta == 0.0f)
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t j = 0; j < n; ++j) c[i * ldc + j] = std::numeric_limits<float>::quiet_NaN();
  const auto before = c;
  cpu_backend().gemm(ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l)
        sum += static_cast<double>(ta == Transpose::yes ? a[l * lda + i] : a[i * lda + l]) *
               (tb == Transpose::yes ? b[j * ldb + l] : b[l * ldb + j]);
      const double expected = alpha * sum + (beta == 0.0f ? 0.0 : beta * static_cast<double>(before[i * ldc + j]));
      wrong += !close(c[i * ldc + j], expected, 1e-5, 1e-6 * (1.0 + std::sqrt(static_cast<double>(k))));
    }
    for (std::int64_t j = n; j < ldc; ++j) wrong += c[i * ldc + j] != before[i * ldc + j];
  }
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(ta == Transpose::yes);
  CAPTURE(tb == Transpose::yes);
  CAPTURE(alpha);
  CAPTURE(beta);
  CHECK(wrong == 0);
}

TEST_CASE("gemm equals a float64 reference over shapes, transposes, strides, alpha and beta") {
  const Shape3 shapes[] = {{1, 1, 1},    {1, 17, 33},  {17, 1, 33},    {3, 5, 7},      {16, 32, 8},   {31, 33, 65},
                           {128, 10, 50}, {10, 50, 128}, {65, 129, 300}, {64, 64, 1025}, {5, 300, 513}, {1, 500, 784}};
  for (const Shape3& shape : shapes)
    for (Transpose ta : {Transpose::no, Transpose::yes})
      for (Transpose tb : {Transpose::no, Transpose::yes})
        for (float beta : {0.0f, 1.0f, -0.5f})
          for (std::int64_t padding : {0, 3}) check_product(ta, tb, shape, beta == 1.0f ? 1.0f : 0.7f, beta, padding);
}

}  // namespace
}  // namespace onelogit
