#include "head/true_logits.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"
#include "error.h"
#include "head/lowest_logit.h"

namespace onelogit {
namespace {

// lowered(features, class, logit) is what is kept of a logit.
template <class Lowered>
TrueLogits sorted_true_logits(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                              const Lowered& lowered) {
  const auto n = static_cast<std::int64_t>(labels.size());
  const std::int64_t d = matrix.features(), k = matrix.classes();
  TrueLogits result;
  result.pooled.resize(labels.size());
  parallel_for(n, row_grain(d), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t c = labels[static_cast<std::size_t>(i)];
      const float logit = matrix.score(features + i * d, c);
      result.pooled[i] = std::isfinite(logit) ? lowered(features + i * d, c, logit) : logit;
    }
  });
  result.first.assign(static_cast<std::size_t>(k) + 1, 0);
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(result.pooled[i]))
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_NOT_FINITE",
                  "Expected finite logits for calibrate but received " + std::to_string(result.pooled[i]) +
                      " for example " + std::to_string(i));
    ++result.first[labels[i] + 1];
  }
  for (std::int64_t c = 0; c < k; ++c) result.first[c + 1] += result.first[c];
  result.grouped.resize(labels.size());
  std::vector<std::int64_t> next(result.first.begin(), result.first.end() - 1);
  for (std::int64_t i = 0; i < n; ++i) result.grouped[next[labels[i]]++] = result.pooled[i];
  for (std::int64_t c = 0; c < k; ++c)
    std::sort(result.grouped.begin() + result.first[c], result.grouped.begin() + result.first[c + 1], std::greater<>());
  std::sort(result.pooled.begin(), result.pooled.end(), std::greater<>());
  return result;
}

}  // namespace

TrueLogits compute_true_logits(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels) {
  return sorted_true_logits(matrix, features, labels, [](const float*, std::int64_t, float logit) { return logit; });
}

TrueLogits compute_lowest_true_logits(const ClassMatrix& matrix, const float* features,
                                      std::span<const std::int32_t> labels, double feature_error) {
  return sorted_true_logits(matrix, features, labels, [&](const float* of, std::int64_t c, float) {
    return lowest_logit(matrix, of, c, feature_error);
  });
}

std::int64_t count_at_least(std::span<const float> descending, float threshold) {
  return std::partition_point(descending.begin(), descending.end(), [&](float x) { return x >= threshold; }) -
         descending.begin();
}

}  // namespace onelogit
