#include <doctest/doctest.h>

#include "backend/backend.h"
#include "backend/cpu/kernels/reduction.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::close;
using test::edge_lengths;
using test::infinity;
using test::nan;
using test::random_values;

TEST_CASE("sums of squares and column sums equal float64 at every length") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(reduction_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : edge_lengths) {
      CAPTURE(n);
      const auto a = random_values(n, 1);
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) squares += static_cast<double>(a[i]) * a[i];
      CHECK(kernels.sum_of_squares(a.data(), n) == doctest::Approx(squares).epsilon(1e-12));
      for (const std::int64_t m : {1, 2, 64, 65, 300}) {
        const std::int64_t stride = n + 3;
        const auto x = random_values(m * stride, 3);
        std::vector<float> sums(n);
        kernels.column_sums(x.data(), stride, sums.data(), m, n);
        std::int64_t wrong = 0;
        for (std::int64_t j = 0; j < n; ++j) {
          double sum = 0;
          for (std::int64_t i = 0; i < m; ++i) sum += x[i * stride + j];
          wrong += !close(sums[j], sum, 1e-6, 1e-6 * std::sqrt(static_cast<double>(m)));
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("the largest logit: first wins ties, NaN never does, at every place") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(reduction_kernels)) {
    CAPTURE(name);
    for (const std::int64_t k : edge_lengths) {
      if (k == 0) continue;
      CAPTURE(k);
      auto row = random_values(k, 4);
      bool good = true;
      for (std::int64_t place = 0; place < k; ++place) {
        const float before = row[place];
        row[place] = 2.0f;
        for (std::int64_t other = 0; other < k; other += 1 + k / 20) {
          good &= kernels.largest_is(row.data(), k, other) == (other == place);
          if (other == place) continue;
          const float kept = row[other];
          row[other] = 2.0f;  // a tie
          good &= kernels.largest_is(row.data(), k, place) == (place < other);
          row[other] = nan;
          good &= !kernels.largest_is(row.data(), k, place);
          row[other] = kept;
        }
        row[place] = nan;
        good &= !kernels.largest_is(row.data(), k, place);
        row[place] = before;
      }
      CHECK(good);
    }
  }
}

TEST_CASE("count_correct over many rows; labels outside the classes are wrong") {
  const std::int64_t m = 1000, k = 37;
  auto logits = random_values(m * k, 5);
  std::vector<std::int32_t> labels(m);
  std::int64_t expected = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    labels[i] = static_cast<std::int32_t>(i % k);
    if (i % 3 != 0) logits[i * k + labels[i]] = i % 3 == 1 ? 5.0f : infinity;
    if (i % 10 == 4) logits[i * k + (i + 1) % k] = nan;
    bool correct = true;
    for (std::int64_t j = 0; j < k; ++j) {
      const float z = logits[i * k + j], truth = logits[i * k + labels[i]];
      correct = correct && !std::isnan(z) && (j < labels[i] ? z < truth : z <= truth);
    }
    expected += correct;
  }
  std::int64_t count = -1;
  cpu_backend().count_correct(logits.data(), labels.data(), m, k, &count);
  CHECK(expected > 100);
  CHECK(count == expected);
  labels.assign(m, -1);
  cpu_backend().count_correct(logits.data(), labels.data(), m, k, &count);
  CHECK(count == 0);
  labels.assign(m, static_cast<std::int32_t>(k));
  cpu_backend().count_correct(logits.data(), labels.data(), m, k, &count);
  CHECK(count == 0);
  cpu_backend().count_correct(nullptr, nullptr, 0, k, &count);
  CHECK(count == 0);
}

}  // namespace
}  // namespace onelogit
