// A logit that a threshold was set at reaches it in whichever order it is computed again.

#include "head/lowest_logit.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cmath>
#include <random>
#include <vector>

#include "backend/cpu/kernels/row_dot.h"
#include "head/calibration.h"
#include "head/logit_terms.h"
#include "simd_levels.h"
#include "small_run.h"

namespace onelogit {
namespace {

enum class Numbers { normal, cancelling, all_scales, tiny };

// `count` numbers. Cancelling: of what is added, almost all goes away.
std::vector<float> numbers_of(Numbers kind, std::int64_t count, std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-20, 20);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const float x = normal(random);
    values.push_back(kind == Numbers::cancelling   ? 1000.0f * (i % 2 == 0 ? 1.0f : -1.0f) + x
                     : kind == Numbers::all_scales ? std::ldexp(x, exponent(random))
                     : kind == Numbers::tiny       ? std::ldexp(x, -75)  // products are below the normal range
                                                   : x);
  }
  return values;
}

float score_by(const RowDotKernels& kernels, const ClassMatrix& matrix, const float* features) {
  const auto dot = matrix.storage() == ClassStorage::float32    ? kernels.float32
                   : matrix.storage() == ClassStorage::bfloat16 ? kernels.bfloat16
                                                                : kernels.int8;
  const float product = dot(features, matrix.row(0), matrix.features());
  return (matrix.scale_data() == nullptr ? product : product * matrix.scale_data()[0]) + matrix.bias(0);
}

TEST_CASE("an example that a threshold was set at matches by the kernels of every instruction set") {
  std::mt19937 random(5);
  const int repeats = test::small_run() ? 3 : 40;
  std::int64_t beyond_a_share_of_the_logit = 0;
  for (const ClassStorage storage : {ClassStorage::float32, ClassStorage::bfloat16, ClassStorage::int8})
    for (const Numbers kind : {Numbers::normal, Numbers::cancelling, Numbers::all_scales, Numbers::tiny})
      for (const std::int64_t d : {1, 2, 3, 7, 15, 16, 17, 33, 64, 100, 255, 512, 1000, 4095, 4096})
        for (int repeat = 0; repeat < repeats; ++repeat) {
          CAPTURE(static_cast<int>(storage));
          CAPTURE(static_cast<int>(kind));
          CAPTURE(d);
          ClassMatrix matrix(1, d, true, storage);
          // One of the two cancels, or their products would not.
          matrix.set_rows(0, 1, numbers_of(kind == Numbers::cancelling ? Numbers::normal : kind, d, random).data());
          std::vector<float> features = numbers_of(kind, d, random);
          if (kind == Numbers::cancelling)
            for (std::int64_t j = 0; j < d; ++j) features[static_cast<std::size_t>(j)] = j % 2 == 0 ? 1e4f : -1e4f;
          matrix.mutable_bias()[0] = numbers_of(kind, 1, random)[0];
          const std::vector<std::int32_t> labels{0};
          const float threshold =
              calibrate(matrix, features.data(), labels, {CalibrationMeasure::recall, 0.5}, nullptr).thresholds[0];
          CHECK(threshold == lowest_logit(matrix, features.data(), 0, 0));
          const LogitTerms terms = logit_terms(matrix, features.data(), 0);
          const float here = matrix.score(features.data(), 0);
          for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(row_dot_kernels)) {
            CAPTURE(name);
            const float score = score_by(kernels, matrix, features.data());
            CHECK(score >= threshold);
            beyond_a_share_of_the_logit += score < here - 1e-5f * (1.0f + std::abs(here));
          }
          // No lower than rounding asks for.
          const double unit = std::ldexp(static_cast<double>(d / 16) + 19.0, -24);
          CHECK(terms.logit - static_cast<double>(threshold) <= 1.01 * unit * terms.magnitude +
                                                                    2e-7 * std::abs(terms.logit) +
                                                                    std::ldexp(static_cast<double>(d) + 5, -149));
        }
#if defined(__x86_64__)
  // The cases are hard enough: by a share of the logit they would not all match.
  if (test::has_avx512() && !test::small_run()) CHECK(beyond_a_share_of_the_logit > 0);
#endif
  MESSAGE("below 1e-5 (1 + |z|) under the score here: ", beyond_a_share_of_the_logit);
}

TEST_CASE("thresholds go down by what the features' own rounding may move a logit by") {
  ClassMatrix matrix(1, 4, true);
  const std::vector<float> row{1, -2, 3, -4}, features{8, 4, 2, 1};
  matrix.set_rows(0, 1, row.data());
  matrix.mutable_bias()[0] = -5;
  const std::vector<std::int32_t> labels{0};
  // 8 − 8 + 6 − 4 − 5, and the sum of what they are without signs.
  const LogitTerms terms = logit_terms(matrix, features.data(), 0);
  CHECK(terms.logit == -3);
  CHECK(terms.magnitude == 31);
  const Calibration result =
      calibrate(matrix, features.data(), labels, {CalibrationMeasure::recall, 0.5}, nullptr, {}, nullptr, 0.25);
  CHECK(result.thresholds[0] == doctest::Approx(-3 - 0.25 * 31).epsilon(1e-5));
}

TEST_CASE("a threshold is no higher than a logit of more features than rounding is bounded for") {
  if (test::small_run()) return;
  constexpr std::int64_t d = std::int64_t{1} << 28;
  // Zeros that the system has one page of.
  const std::size_t bytes = static_cast<std::size_t>(d) * sizeof(float);
  void* const zeros = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(zeros != MAP_FAILED);
  const float bias = -1, scale = 1;
  {
    const ClassMatrix matrix({1, d, ClassStorage::int8, zeros, &bias, &scale}, nullptr);
    const auto* const features = static_cast<const float*>(zeros);
    CHECK(lowest_logit(matrix, features, 0, 0) <= matrix.score(features, 0));
  }
  ::munmap(zeros, bytes);
}

}  // namespace
}  // namespace onelogit
