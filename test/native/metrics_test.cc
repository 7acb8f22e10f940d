#include "metrics/metrics.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>

#include "error.h"

namespace {

using onelogit::evaluate_scores;

struct Matrix {
  std::int64_t m, k;
  std::vector<float> scores;
  std::vector<std::int32_t> labels;
};

// Scores rounded to 1/levels, so that many are tied; labels from a part of the classes.
Matrix random_matrix(std::int64_t m, std::int64_t k, int levels, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<std::int32_t> label(0, static_cast<std::int32_t>(k - 1 - (k > 3 ? 2 : 0)));
  Matrix matrix{m, k, std::vector<float>(m * k), std::vector<std::int32_t>(m)};
  for (std::int64_t i = 0; i < m; ++i) {
    matrix.labels[i] = label(random);
    for (std::int64_t j = 0; j < k; ++j)
      matrix.scores[i * k + j] = std::round((normal(random) + (j == matrix.labels[i] ? 2.0f : 0.0f)) * levels) / levels;
  }
  return matrix;
}

// The definitions, with every distinct score tried as a threshold: O(n²).
struct PlainMetrics {
  double average_precision = 0, at_90 = 0, at_99 = 0;
};
PlainMetrics plain(const std::vector<float>& scores, const std::vector<std::uint8_t>& positives) {
  double all = 0, before = 0;
  for (const std::uint8_t positive : positives) all += positive;
  PlainMetrics metrics;
  bool reached_90 = false, reached_99 = false;
  for (const float threshold : std::set<float, std::greater<>>(scores.begin(), scores.end())) {
    double predicted = 0, right = 0;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (scores[i] >= threshold) {
        predicted += 1;
        right += positives[i];
      }
    const double precision = right / predicted, recall = right / all;
    metrics.average_precision += (recall - before) * precision;
    before = recall;
    if (recall >= 0.9 && !reached_90) metrics.at_90 = precision, reached_90 = true;
    if (recall >= 0.99 && !reached_99) metrics.at_99 = precision, reached_99 = true;
  }
  return metrics;
}

std::string code_of(const Matrix& matrix) {
  try {
    evaluate_scores(matrix.scores.data(), matrix.labels.data(), matrix.m, matrix.k);
  } catch (const onelogit::Error& error) {
    return error.code();
  }
  return "";
}

void check_against_plain(const Matrix& matrix) {
  const auto& [m, k, scores, labels] = matrix;
  const auto result = evaluate_scores(scores.data(), labels.data(), m, k);
  std::int64_t occurring = 0, correct = 0;
  PlainMetrics macro;
  for (std::int64_t j = 0; j < k; ++j) {
    std::vector<float> column(m);
    std::vector<std::uint8_t> positives(m);
    std::int64_t count = 0;
    for (std::int64_t i = 0; i < m; ++i) {
      column[i] = scores[i * k + j];
      positives[i] = labels[i] == j;
      count += positives[i];
    }
    CHECK(result.per_class[j].positives == count);
    if (count == 0) continue;
    ++occurring;
    const PlainMetrics expected = plain(column, positives);
    CHECK(result.per_class[j].average_precision == doctest::Approx(expected.average_precision).epsilon(1e-12));
    CHECK(result.per_class[j].precision_at_90 == doctest::Approx(expected.at_90).epsilon(1e-12));
    CHECK(result.per_class[j].precision_at_99 == doctest::Approx(expected.at_99).epsilon(1e-12));
    CHECK(onelogit::average_precision(column.data(), positives.data(), m) ==
          doctest::Approx(expected.average_precision).epsilon(1e-12));
    CHECK(onelogit::precision_at_recall(column.data(), positives.data(), m, 0.9) ==
          doctest::Approx(expected.at_90).epsilon(1e-12));
    macro.average_precision += expected.average_precision;
    macro.at_90 += expected.at_90;
    macro.at_99 += expected.at_99;
  }
  for (std::int64_t i = 0; i < m; ++i) {
    std::int64_t best = 0;
    for (std::int64_t j = 1; j < k; ++j)
      if (scores[i * k + j] > scores[i * k + best]) best = j;
    correct += best == labels[i];
  }
  double wrong = 0, pairs = 0;
  for (std::int64_t a = 0; a < m; ++a)
    for (std::int64_t b = 0; b < m; ++b)
      for (std::int64_t j = 0; j < k; ++j)
        if (j != labels[b]) {
          pairs += 1;
          wrong += !(scores[a * k + labels[a]] > scores[b * k + j]);
        }
  CHECK(result.examples == m);
  CHECK(result.classes == k);
  CHECK(result.classes_without_positives == k - occurring);
  CHECK(result.occurring.average_precision == doctest::Approx(macro.average_precision / occurring).epsilon(1e-12));
  CHECK(result.occurring.precision_at_90 == doctest::Approx(macro.at_90 / occurring).epsilon(1e-12));
  CHECK(result.occurring.precision_at_99 == doctest::Approx(macro.at_99 / occurring).epsilon(1e-12));
  CHECK(result.accuracy == doctest::Approx(static_cast<double>(correct) / m));
  CHECK(result.separation.misordered == doctest::Approx(pairs > 0 ? wrong / pairs : 0).epsilon(1e-12));
  CHECK(result.separation.holds == (wrong == 0));
  const auto alone = onelogit::separation(scores.data(), labels.data(), m, k);
  CHECK(alone.misordered == result.separation.misordered);
  CHECK(alone.holds == result.separation.holds);
}

}  // namespace

TEST_CASE("evaluate_scores equals the definitions, ties and absent classes included") {
  unsigned seed = 0;
  for (const auto& [m, k] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {1, 1}, {1, 2}, {5, 1}, {2, 9}, {7, 3}, {33, 17}, {100, 10}, {64, 130}, {257, 5}})
    for (const int levels : {1, 2, 1000}) {
      CAPTURE(m);
      CAPTURE(k);
      CAPTURE(levels);
      check_against_plain(random_matrix(m, k, levels, ++seed));
    }
}

TEST_CASE("evaluate_scores cut over threads equals the definitions") {
  // 500×150 is above the least work per thread.
  check_against_plain(random_matrix(500, 150, 4, 99));
}

TEST_CASE("evaluate_scores ranks infinities like other scores") {
  Matrix matrix = random_matrix(60, 4, 1, 7);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < matrix.scores.size(); i += 5) matrix.scores[i] = i % 2 ? infinity : -infinity;
  check_against_plain(matrix);
}

TEST_CASE("evaluate_scores by hand: accuracy takes the lowest index on ties") {
  const std::vector<float> scores{1, 1, 0, /**/ 2, 2, 2, /**/ 0, 3, 3};
  const std::vector<std::int32_t> labels{0, 1, 1};
  const auto result = evaluate_scores(scores.data(), labels.data(), 3, 3);
  CHECK(result.accuracy == doctest::Approx(2.0 / 3));
  CHECK(result.classes_without_positives == 1);
  // Class 0: scores 1+, 2, 0: precision 1/2. Class 1: 1, 2+, 3+: 1 at both.
  CHECK(result.per_class[0].average_precision == 0.5);
  CHECK(result.per_class[1].average_precision == 1.0);
  CHECK(result.per_class[2].average_precision == 0.0);
  CHECK(result.occurring.average_precision == 0.75);
}

TEST_CASE("evaluate_scores refuses NaN anywhere, labels out of range, and no examples") {
  const Matrix good = random_matrix(6, 3, 2, 3);
  CHECK(code_of(good).empty());
  for (std::size_t i = 0; i < good.scores.size(); ++i) {
    Matrix matrix = good;
    matrix.scores[i] = std::numeric_limits<float>::quiet_NaN();
    CHECK(code_of(matrix) == "ERR_ONELOGIT_NOT_FINITE");
  }
  for (const std::int32_t label : {-1, 3, std::numeric_limits<std::int32_t>::max()}) {
    Matrix matrix = good;
    matrix.labels[4] = label;
    CHECK(code_of(matrix) == "ERR_ONELOGIT_LABEL_RANGE");
  }
  CHECK(code_of(Matrix{0, 3, {}, {}}) == "ERR_ONELOGIT_NO_POSITIVES");
}
