#include "backend/cuda/count_correct.h"

#include <doctest/doctest.h>

#include <random>

#include "backend/backend.h"
#include "device_array.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;

std::int64_t on_cuda(const std::vector<float>& logits, const std::vector<std::int32_t>& labels, std::int64_t k) {
  const auto count = test::same_in_every_order([&] {
    DeviceArray<float> device_logits(logits);
    DeviceArray<std::int32_t> device_labels(labels);
    DeviceArray<std::int64_t> result(1);
    cuda::count_correct(nullptr, device_logits.data(), device_labels.data(), static_cast<std::int64_t>(labels.size()),
                        k, result.data());
    return std::vector<std::vector<std::int64_t>>{result.host()};
  });
  return count[0][0];
}

TEST_CASE("cuda count_correct: as on the CPU, with ties, NaN, infinities and labels out of range") {
  std::mt19937 random(1);
  for (const std::int64_t m : {1, 33, 70})
    for (const std::int64_t k : {1, 2, 31, 32, 33, 257, 600}) {
      CAPTURE(m);
      CAPTURE(k);
      std::vector<float> logits(static_cast<std::size_t>(m * k));
      std::vector<std::int32_t> labels(static_cast<std::size_t>(m));
      for (float& logit : logits) logit = static_cast<float>(random() % 4);
      for (std::int64_t i = 0; i < m; ++i) {
        float* const row = logits.data() + i * k;
        const auto label = static_cast<std::int64_t>(random()) % k;
        labels[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(label);
        if (i % 2 == 0) row[label] = 4;                                    // the largest
        if (i % 6 == 0) row[static_cast<std::int64_t>(random()) % k] = 4;  // perhaps a tie
        if (i % 7 == 0) row[static_cast<std::int64_t>(random()) % k] = test::nan;
        if (i % 11 == 0) row[label] = i % 2 == 0 ? test::infinity : -test::infinity;
        if (i % 13 == 12) labels[static_cast<std::size_t>(i)] = i % 2 == 0 ? -1 : static_cast<std::int32_t>(k);
      }
      std::int64_t expected = 0;
      cpu_backend().count_correct(logits.data(), labels.data(), m, k, &expected);
      CHECK(on_cuda(logits, labels, k) == expected);
    }
}

TEST_CASE("cuda count_correct: the lowest index wins a tie") {
  CHECK(on_cuda({1, 2, 2, 0}, {1}, 4) == 1);
  CHECK(on_cuda({1, 2, 2, 0}, {2}, 4) == 0);
  CHECK(on_cuda({1, test::nan, 2, 0}, {2}, 4) == 0);
  CHECK(on_cuda({1, test::nan, 2, 0}, {1}, 4) == 0);
  CHECK(on_cuda({}, {}, 4) == 0);
}

}  // namespace
}  // namespace onelogit
