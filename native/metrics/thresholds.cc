#include "metrics/thresholds.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/threads.h"

namespace onelogit {

ClassThresholds::ClassThresholds(const std::vector<float>& true_scores, const std::int32_t* labels, std::int64_t k)
    : scores(true_scores.size()),
      positives(true_scores.size()),
      examples(true_scores.size()),
      begin(k + 1),
      distinct(k),
      lowest(k, INFINITY) {
  const auto n = static_cast<std::int64_t>(true_scores.size());
  for (std::int64_t i = 0; i < n; ++i) ++begin[labels[i] + 1];
  for (std::int64_t j = 0; j < k; ++j) begin[j + 1] += begin[j];
  std::vector<std::int64_t> next(begin.begin(), begin.end() - 1);
  for (std::int64_t i = 0; i < n; ++i) scores[next[labels[i]]++] = true_scores[i];
  parallel_for(k, 16, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t j = first; j < last; ++j) {
      distinct[j] = distinct_ascending(scores.data() + begin[j], begin[j + 1] - begin[j], positives.data() + begin[j]);
      if (distinct[j] > 0) lowest[j] = scores[begin[j]];
    }
  });
}

PooledThresholds::PooledThresholds(const std::vector<float>& true_scores)
    : scores_(true_scores), positives_(true_scores.size()) {
  const std::int64_t distinct = distinct_ascending(scores_.data(), size(), positives_.data());
  scores_.resize(distinct);
  positives_.resize(distinct);

  // All but the extreme hundredths, which may be far away or infinite: those fall into the first and the last part.
  const float low = scores_[distinct / 100], high = scores_[distinct - 1 - distinct / 100];
  const std::int64_t parts = std::min<std::int64_t>(2 * distinct, 1 << 16);
  const float parts_per_unit = static_cast<float>(parts) / (high - low);
  if (parts_per_unit > 0 && std::isfinite(parts_per_unit) && std::isfinite(low)) {
    origin_ = low;
    parts_per_unit_ = parts_per_unit;
    last_part_ = static_cast<float>(parts - 1);
  }  // else everything is in part 0: x · 0 is 0 or NaN, neither is above 0
  part_begin_.reserve(parts + 1);
  part_begin_.push_back(0);
  for (std::int64_t t = 0; t < distinct; ++t)
    while (static_cast<std::int64_t>(part_begin_.size()) <= part_of(scores_[t])) part_begin_.push_back(t);
  part_begin_.resize(static_cast<std::size_t>(last_part_) + 2, distinct);
}

}  // namespace onelogit
