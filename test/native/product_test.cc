#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/gemv.h"
#include "backend/cpu/product.h"
#include "backend/cpu/threads.h"
#include "random_values.h"
#include "simd_levels.h"
#include "small_run.h"

namespace onelogit {
namespace {

using test::close;
using test::nan;
using test::random_values;

// A product with operands of its own, rows `padding` apart; C begins as NaN where it is not to be read.
struct Case {
  GemmArguments product{};
  std::vector<float> a, b, c, before;

  Case(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, float alpha, float beta,
       std::int64_t padding) {
    const std::int64_t lda = (ta ? m : k) + padding, ldb = (tb ? k : n) + padding, ldc = n + padding;
    a = random_values((ta ? k : m) * lda, 1);
    b = random_values((tb ? n : k) * ldb, 2);
    c = random_values(m * ldc, 3);
    // Nobody may read what lies between the rows.
    for (std::int64_t i = 0; i < (ta ? k : m); ++i)
      for (std::int64_t j = lda - padding; j < lda; ++j) a[i * lda + j] = nan;
    for (std::int64_t i = 0; i < (tb ? n : k); ++i)
      for (std::int64_t j = ldb - padding; j < ldb; ++j) b[i * ldb + j] = nan;
    if (beta == 0.0f)
      for (std::int64_t i = 0; i < m; ++i)
        for (std::int64_t j = 0; j < n; ++j) c[i * ldc + j] = nan;
    before = c;
    product = {ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc};
  }

  double expected(std::int64_t i, std::int64_t j) const {
    const GemmArguments& p = product;
    double sum = 0;
    for (std::int64_t l = 0; l < p.k; ++l)
      sum += static_cast<double>(p.transpose_a ? a[l * p.lda + i] : a[i * p.lda + l]) *
             (p.transpose_b ? b[j * p.ldb + l] : b[l * p.ldb + j]);
    return p.alpha * sum + (p.beta == 0.0f ? 0.0 : p.beta * static_cast<double>(before[i * p.ldc + j]));
  }

  // How many elements of C are wrong, or were written between its rows.
  std::int64_t wrong(const float* bias = nullptr) const {
    const GemmArguments& p = product;
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < p.m; ++i) {
      for (std::int64_t j = 0; j < p.n; ++j)
        count += !close(c[i * p.ldc + j], expected(i, j) + (bias == nullptr ? 0.0 : bias[j]), 1e-5,
                        1e-6 * (1.0 + std::sqrt(static_cast<double>(p.k))));
      for (std::int64_t j = p.n; j < p.ldc; ++j) count += c[i * p.ldc + j] != before[i * p.ldc + j];
    }
    return count;
  }
};

struct Shape {
  std::int64_t m, n, k;
};

std::vector<Shape> shapes() {
  std::vector<Shape> result{{1, 1, 1},    {1, 17, 33},  {17, 1, 33},   {3, 5, 7},    {16, 32, 8}, {31, 33, 65},
                            {65, 10, 50}, {10, 70, 33}, {30, 49, 600}, {13, 15, 16}, {2, 2, 100}};
  if (!test::small_run())
    result.insert(result.end(), {{128, 10, 50},
                                 {65, 129, 300},
                                 {64, 64, 1025},
                                 {5, 300, 513},
                                 {1, 500, 784},
                                 {300, 50, 40},
                                 {40, 1100, 30},
                                 {4, 5000, 12}});
  return result;
}

template <class Check>
void for_each_case(const Shape& shape, Check&& check) {
  for (const bool ta : {false, true})
    for (const bool tb : {false, true})
      for (const float beta : {0.0f, 1.0f, -0.5f})
        for (const std::int64_t padding : {0, 3}) {
          Case c(ta, tb, shape.m, shape.n, shape.k, beta == 1.0f ? 1.0f : 0.7f, beta, padding);
          CAPTURE(shape.m);
          CAPTURE(shape.n);
          CAPTURE(shape.k);
          CAPTURE(ta);
          CAPTURE(tb);
          CAPTURE(beta);
          CAPTURE(padding);
          check(c);
        }
}

std::unique_ptr<float, decltype(&std::free)> workspace(const GemmKernels& kernels) {
  const auto bytes = static_cast<std::size_t>(kernels.workspace_size) * sizeof(float);
  return {static_cast<float*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)), std::free};
}

TEST_CASE("the portable gemm of every instruction set equals float64 over shapes, transposes, strides, alpha, beta") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(gemm_kernels)) {
    CAPTURE(name);
    const auto memory = workspace(kernels);
    for (const Shape& shape : shapes())
      for_each_case(shape, [&](Case& c) {
        kernels.gemm(c.product, memory.get());
        CHECK(c.wrong() == 0);
      });
  }
}

TEST_CASE("every tile of the portable gemm: all heights and widths up to two tiles") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(gemm_kernels)) {
    CAPTURE(name);
    const auto memory = workspace(kernels);
    const std::int64_t step = test::small_run() ? 5 : 1;
    std::int64_t wrong = 0;
    for (std::int64_t m = 1; m <= 29; m += step)
      for (std::int64_t n = 1; n <= 65; n += step) {
        Case c(m % 2 == 0, n % 2 == 0, m, n, 1 + (m + n) % 37, 1.0f, 0.0f, 1);
        kernels.gemm(c.product, memory.get());
        wrong += c.wrong();
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("blocks that fill the workspace of the portable gemm, to its last element") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(gemm_kernels)) {
    CAPTURE(name);
    // Exactly as large as the kernel asks for, so that a sanitizer sees a write beyond it.
    const auto memory = workspace(kernels);
    for (const Shape& shape : {Shape{3, 2048, 512}, Shape{3, 1020, 512}, Shape{3, 1021, 513}, Shape{257, 3, 1024}})
      for (const bool transposed : {false, true}) {
        Case c(transposed, transposed, shape.m, shape.n, shape.k, 1.0f, 0.0f, 0);
        kernels.gemm(c.product, memory.get());
        CHECK(c.wrong() == 0);
      }
  }
}

TEST_CASE("products without packing equal float64") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(gemv_kernels)) {
    CAPTURE(name);
    for (const std::int64_t m : {1, 2, 3, 4, 5, 7, 8, 13})
      for (const std::int64_t n : {1, 2, 3, 4, 6, 9, 40})
        for (const std::int64_t k : {1, 3, 16, 37, 200})
          for (const float beta : {0.0f, 0.5f}) {
            Case c(false, true, m, n, k, 0.7f, beta, 2);
            CAPTURE(m);
            CAPTURE(n);
            CAPTURE(k);
            kernels.few_rows(c.product);
            CHECK(c.wrong() == 0);
          }
    for (const std::int64_t n : {1, 5, 16, 33, 4096, 4099, 9000})
      for (const std::int64_t k : {1, 3, 4, 9})
        for (const float beta : {0.0f, 0.5f, 1.0f})
          for (const bool transpose_a : {false, true}) {
            Case c(transpose_a, false, 1, n, k, 0.7f, beta, 2);
            kernels.one_row(c.product);
            CHECK(c.wrong() == 0);
          }
  }
}

TEST_CASE("gemm of the backend (OpenBLAS or not, cut among threads) equals float64") {
  for (const Shape& shape : shapes())
    for_each_case(shape, [](Case& c) {
      const GemmArguments& p = c.product;
      cpu_backend().gemm(p.transpose_a ? Transpose::yes : Transpose::no, p.transpose_b ? Transpose::yes : Transpose::no,
                         p.m, p.n, p.k, p.alpha, p.a, p.lda, p.b, p.ldb, p.beta, p.c, p.ldc);
      CHECK(c.wrong() == 0);
    });
}

TEST_CASE("bias, empty inner dimension and alpha 0") {
  const auto bias = random_values(300, 9);
  for (const Shape& shape : {Shape{5, 300, 70}, {1, 20, 9}, {64, 10, 3000}, {64, 1, 30}, {7, 5, 0}, {90, 80, 0}}) {
    for (const float alpha : {1.0f, 0.0f})
      for (const float beta : {0.0f, 2.0f}) {
        Case c(true, false, shape.m, shape.n, shape.k, alpha, beta, 1);
        CAPTURE(shape.m);
        CAPTURE(shape.k);
        CAPTURE(alpha);
        CAPTURE(beta);
        multiply(c.product, bias.data());
        CHECK(c.wrong(bias.data()) == 0);
        Case without(true, false, shape.m, shape.n, shape.k, alpha, beta, 1);
        multiply(without.product);
        CHECK(without.wrong() == 0);
      }
  }
  Case empty(false, false, 4, 4, 4, 1.0f, 0.0f, 0);
  empty.product.m = 0;
  multiply(empty.product);
  for (const float c : empty.c) CHECK(std::isnan(c));
}

TEST_CASE("NaN and infinity in the operands reach exactly the elements of C that depend on them") {
  for (const Shape& shape : {Shape{40, 50, 60}, {1, 50, 60}, {40, 1, 60}, {3, 50, 60}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true}) {
        Case c(ta, tb, shape.m, shape.n, shape.k, 1.0f, 0.0f, 0);
        const std::int64_t row = shape.m / 2, column = shape.n / 3;
        c.a[ta ? 7 * c.product.lda + row : row * c.product.lda + 7] = nan;
        c.b[tb ? column * c.product.ldb + 8 : 8 * c.product.ldb + column] = test::infinity;
        multiply(c.product);
        std::int64_t wrong = 0;
        for (std::int64_t i = 0; i < shape.m; ++i)
          for (std::int64_t j = 0; j < shape.n; ++j) {
            const float value = c.c[i * c.product.ldc + j];
            wrong += i == row ? !std::isnan(value) : std::isinf(value) != (j == column);
          }
        CHECK(wrong == 0);
      }
}

TEST_CASE("every plan covers C exactly, whatever the thread count") {
  for (const std::int64_t m : {1, 8, 128, 5000})
    for (const std::int64_t n : {1, 10, 500, 3000})
      for (const std::int64_t k : {1, 128, 784, 100'000})
        for (const int threads : {1, 2, 3, 7, 8, 64, 200}) {
          const ProductPlan plan = plan_product(m, n, k, threads);
          CHECK(plan.rows >= 1);
          CHECK(plan.columns >= 1);
          CHECK(plan.depth >= 1);
          CHECK(plan.rows * plan.columns * plan.depth <= threads);
        }
  CHECK(plan_product(10, 10, 10, 8).rows * plan_product(10, 10, 10, 8).columns == 1);  // not worth it
  CHECK(plan_product(16, 16, 1 << 20, 4).depth == 4);  // the gradient of a small filter over many positions
  const ProductPlan square = plan_product(1024, 1024, 1024, 4);
  CHECK(square.rows * square.columns == 4);
}

TEST_CASE("a product cut through k adds its parts in order") {
  const auto bias = random_values(6, 4);
  Case c(true, false, 5, 6, 300'000, 0.5f, 2.0f, 2);
  multiply(c.product, bias.data());
  Case again(true, false, 5, 6, 300'000, 0.5f, 2.0f, 2);
  multiply(again.product, bias.data());
  CHECK(c.c == again.c);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < 5; ++i)
    for (std::int64_t j = 0; j < 6; ++j)
      wrong += !close(c.c[i * c.product.ldc + j], c.expected(i, j) + bias[j], 1e-5, 2e-3);
  CHECK(wrong == 0);
}

TEST_CASE("dense forward and backward equal their formulas") {
  for (const auto& [m, inputs, outputs] : {std::tuple{1, 20, 7}, {3, 5, 1}, {33, 70, 40}, {128, 50, 10}, {40, 1, 9}}) {
    const auto x = random_values(m * inputs, 1), weight = random_values(outputs * inputs, 2);
    const auto bias = random_values(outputs, 3), dy = random_values(m * outputs, 4);
    std::vector<float> y(m * outputs, nan), dx(m * inputs, nan), dweight(outputs * inputs, nan), dbias(outputs, nan);
    std::vector<float> plain(m * outputs, nan), dweight_only(outputs * inputs, nan);
    Backend& cpu = cpu_backend();
    cpu.dense_forward(x.data(), weight.data(), bias.data(), y.data(), m, inputs, outputs);
    cpu.dense_forward(x.data(), weight.data(), nullptr, plain.data(), m, inputs, outputs);
    cpu.dense_backward_input(dy.data(), weight.data(), dx.data(), m, inputs, outputs);
    cpu.dense_backward_weight(x.data(), dy.data(), dweight.data(), dbias.data(), m, inputs, outputs);
    cpu.dense_backward_weight(x.data(), dy.data(), dweight_only.data(), nullptr, m, inputs, outputs);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t o = 0; o < outputs; ++o) {
        double sum = 0;
        for (std::int64_t l = 0; l < inputs; ++l)
          sum += static_cast<double>(x[i * inputs + l]) * weight[o * inputs + l];
        wrong +=
            !close(y[i * outputs + o], sum + bias[o], 1e-5, 1e-5) || !close(plain[i * outputs + o], sum, 1e-5, 1e-5);
      }
    for (std::int64_t i = 0; i < m; ++i)
      for (std::int64_t l = 0; l < inputs; ++l) {
        double sum = 0;
        for (std::int64_t o = 0; o < outputs; ++o)
          sum += static_cast<double>(dy[i * outputs + o]) * weight[o * inputs + l];
        wrong += !close(dx[i * inputs + l], sum, 1e-5, 1e-5);
      }
    for (std::int64_t o = 0; o < outputs; ++o) {
      double column = 0;
      for (std::int64_t i = 0; i < m; ++i) column += dy[i * outputs + o];
      wrong += !close(dbias[o], column, 1e-5, 1e-5);
      for (std::int64_t l = 0; l < inputs; ++l) {
        double sum = 0;
        for (std::int64_t i = 0; i < m; ++i) sum += static_cast<double>(dy[i * outputs + o]) * x[i * inputs + l];
        wrong += !close(dweight[o * inputs + l], sum, 1e-5, 1e-5);
      }
    }
    CHECK(wrong == 0);
    CHECK(dweight == dweight_only);
  }
}

TEST_CASE("score_column is one column of the last layer") {
  for (const auto& [m, d] : {std::pair{0, 5}, {1, 1}, {1, 512}, {7, 33}, {1000, 100}}) {
    const auto hidden = random_values(m * d, 1), weight = random_values(d, 2);
    std::vector<float> out(m);
    cpu_backend().score_column(hidden.data(), weight.data(), 0.25f, out.data(), m, d);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      double sum = 0.25;
      for (std::int64_t l = 0; l < d; ++l) sum += static_cast<double>(hidden[i * d + l]) * weight[l];
      wrong += !close(out[i], sum, 1e-5, 1e-5);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("the choice of matrix products is named, and reasoned when it is not what was compiled in") {
  const BlasChoice& choice = blas_choice();
#ifdef ONELOGIT_OPENBLAS
  CHECK(choice.openblas == choice.reason.empty());
#else
  CHECK(!choice.openblas);
  CHECK(choice.reason.empty());
#endif
  CHECK(choice.name.starts_with(choice.openblas ? "openblas 0." : "portable"));
}

}  // namespace
}  // namespace onelogit
