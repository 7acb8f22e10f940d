#include "head/class_matrix.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace onelogit {
namespace {

struct Case {
  ClassMatrix matrix;
  std::vector<float> features;
};

Case random_case(std::int64_t k, std::int64_t d, bool bias, std::int64_t m, std::uint32_t seed,
                 ClassStorage storage = ClassStorage::float32) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Case result{ClassMatrix(k, d, bias, storage), std::vector<float>(static_cast<std::size_t>(m * d))};
  std::vector<float> row(static_cast<std::size_t>(d));
  for (std::int64_t c = 0; c < k; ++c) {
    for (float& w : row) w = normal(random);
    result.matrix.set_rows(c, 1, row.data());
  }
  for (std::int64_t c = 0; bias && c < k; ++c) result.matrix.mutable_bias()[c] = normal(random);
  for (float& x : result.features) x = normal(random);
  return result;
}

// Float64, and the sum of magnitudes that rounding is proportional to.
std::pair<double, double> reference(const ClassMatrix& matrix, const float* x, std::int64_t c) {
  double value = matrix.bias(c), magnitude = std::abs(value);
  std::vector<float> row(static_cast<std::size_t>(matrix.features()));
  matrix.read_rows(c, 1, row.data());
  for (std::int64_t j = 0; j < matrix.features(); ++j) {
    const double product = static_cast<double>(row[static_cast<std::size_t>(j)]) * static_cast<double>(x[j]);
    value += product;
    magnitude += std::abs(product);
  }
  return {value, magnitude};
}

TEST_CASE("class matrix: scores equal float64, the same bits whichever way they are asked for") {
  std::uint32_t seed = 1;
  for (const std::int64_t d : {1, 2, 3, 15, 16, 17, 31, 63, 64, 65, 127, 500, 512, 2048})
    for (const std::int64_t k : {1, 2, 7})
      for (const ClassStorage storage : {ClassStorage::float32, ClassStorage::bfloat16, ClassStorage::int8}) {
        const bool bias = seed % 2 == 0;
        const std::int64_t m = 3 + d % 5;
        const Case test = random_case(k, d, bias, m, seed++, storage);
        std::vector<std::int32_t> all(static_cast<std::size_t>(k));
        for (std::int64_t c = 0; c < k; ++c) all[static_cast<std::size_t>(c)] = static_cast<std::int32_t>(k - 1 - c);
        std::vector<float> many(static_cast<std::size_t>(k)), batch(static_cast<std::size_t>(m));
        for (std::int64_t c = 0; c < k; ++c) {
          test.matrix.score_batch(test.features.data(), m, c, batch.data());
          for (std::int64_t i = 0; i < m; ++i) {
            const float* x = test.features.data() + i * d;
            const auto [expected, magnitude] = reference(test.matrix, x, c);
            const float score = test.matrix.score(x, c);
            REQUIRE(std::abs(static_cast<double>(score) - expected) <= 1e-6 * magnitude + 1e-30);
            REQUIRE(batch[static_cast<std::size_t>(i)] == score);
            test.matrix.score_many(x, all.data(), k, many.data());
            REQUIRE(many[static_cast<std::size_t>(k - 1 - c)] == score);
          }
        }
        test.matrix.score_many(test.features.data(), nullptr, 0, nullptr);
        test.matrix.score_batch(nullptr, 0, 0, nullptr);
      }
}

TEST_CASE("class matrix: many examples go over the pool with the same result") {
  const Case test = random_case(3, 300, true, 5000, 99);
  std::vector<float> batch(5000);
  test.matrix.score_batch(test.features.data(), 5000, 2, batch.data());
  for (std::int64_t i = 0; i < 5000; ++i)
    REQUIRE(batch[static_cast<std::size_t>(i)] == test.matrix.score(test.features.data() + i * 300, 2));
}

TEST_CASE("class matrix: hostile values spread as IEEE 754 says") {
  Case test = random_case(2, 67, true, 1, 5);
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t j : {0, 31, 64, 66}) {
    const float before = test.features[static_cast<std::size_t>(j)];
    test.features[static_cast<std::size_t>(j)] = nan;
    CHECK(std::isnan(test.matrix.score(test.features.data(), 1)));
    test.features[static_cast<std::size_t>(j)] = infinity;
    CHECK(std::isinf(test.matrix.score(test.features.data(), 1)));
    test.features[static_cast<std::size_t>(j)] = 1e38f;
    CHECK_FALSE(std::isnan(test.matrix.score(test.features.data(), 1)));
    test.features[static_cast<std::size_t>(j)] = before;
  }
}

TEST_CASE("class matrix: int8 keeps a row to half a step of its largest number, whatever is in it") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> rows = {
      {0.0f, 0.0f, -0.0f},    {1.0f, -0.5f, 0.25f}, {-3e38f, 1.0f, 3e38f},     {1e-44f, 0.0f, -1e-45f},
      {1.0f, infinity, 0.0f}, {nan, 2.0f, 3.0f},    {127.0f, 126.6f, -127.0f}, {-1e-38f, 1e-38f, 5e-39f}};
  ClassMatrix matrix(static_cast<std::int64_t>(rows.size()), 3, false, ClassStorage::int8);
  for (std::size_t c = 0; c < rows.size(); ++c) matrix.set_rows(static_cast<std::int64_t>(c), 1, rows[c].data());
  for (std::size_t c = 0; c < rows.size(); ++c) {
    float kept[3];
    matrix.read_rows(static_cast<std::int64_t>(c), 1, kept);
    float largest = 0;
    bool finite = true;
    for (const float w : rows[c]) {
      finite = finite && std::isfinite(w);
      largest = std::max(largest, std::abs(w));
    }
    CAPTURE(c);
    for (int n = 0; n < 3; ++n) {
      if (finite)
        CHECK(std::abs(kept[n] - rows[c][n]) <= largest / 127.0f * 0.5001f + 1e-44f);
      else
        CHECK(std::isnan(kept[n]));
    }
  }
}

TEST_CASE("class matrix: scoring a class touches no other class's row") {
  // A page for each row; every page but that of the class asked about is unreadable, so that reading it would end the
  // test.
  const std::int64_t d = 1024, k = 64, asked = 41;
  const std::size_t page = static_cast<std::size_t>(d) * sizeof(float), bytes = page * static_cast<std::size_t>(k);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  float* weight = static_cast<float*>(memory);
  std::vector<float> features(static_cast<std::size_t>(d), 0.5f);
  for (std::int64_t j = 0; j < d; ++j) weight[asked * d + j] = 2.0f;
  REQUIRE(::mprotect(memory, page * asked, PROT_NONE) == 0);
  REQUIRE(::mprotect(static_cast<char*>(memory) + page * (asked + 1), bytes - page * (asked + 1), PROT_NONE) == 0);
  {
    const ClassMatrix matrix({k, d, ClassStorage::float32, weight, nullptr, nullptr}, nullptr);
    CHECK(matrix.score(features.data(), asked) == 1024.0f);
    const std::int32_t ids[] = {asked, asked};
    float many[2];
    matrix.score_many(features.data(), ids, 2, many);
    CHECK(many[1] == 1024.0f);
    float batch[1];
    matrix.score_batch(features.data(), 1, asked, batch);
    CHECK(batch[0] == 1024.0f);
  }
  ::munmap(memory, bytes);
}

}  // namespace
}  // namespace onelogit
