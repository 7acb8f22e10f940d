#include "metrics/negatives.h"

#include <algorithm>

#include "random/keys.h"
#include "random/philox.h"

namespace onelogit {
namespace {

constexpr std::uint64_t purpose_negatives = 0x6e65676174697665;  // "negative": apart from other uses of a seed

// The wrong class that has `rank` wrong classes below it: rank + t, t the number of right classes below it. Right
// classes ascend, so right[t] − t, the wrong classes below the t-th right one, does not descend.
std::int32_t wrong_class(std::int64_t rank, const std::vector<std::int32_t>& right) {
  std::size_t low = 0, high = right.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (right[middle] - static_cast<std::int64_t>(middle) <= rank) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return static_cast<std::int32_t>(rank + static_cast<std::int64_t>(low));
}

}  // namespace

double NegativeSampler::draw(std::int64_t example, std::int32_t label, std::span<const std::int32_t> also_correct,
                             std::vector<std::int32_t>& drawn) {
  right_.assign(also_correct.begin(), also_correct.end());
  right_.insert(std::lower_bound(right_.begin(), right_.end(), label), label);
  const std::int64_t wrong = classes_ - static_cast<std::int64_t>(right_.size());
  if (wrong <= per_example_) {
    for (std::int64_t rank = 0; rank < wrong; ++rank) drawn.push_back(wrong_class(rank, right_));
    return 1;
  }
  const std::uint64_t key = mix_key(seed_, purpose_negatives);
  const auto begin = static_cast<std::ptrdiff_t>(drawn.size());
  for (std::int64_t draw = 0; draw < per_example_; draw += 4) {
    const PhiloxWords words =
        philox4x32(key, static_cast<std::uint64_t>(draw / 4), static_cast<std::uint64_t>(example));
    for (std::int64_t w = 0; w < 4 && draw + w < per_example_; ++w)
      // Classes are below 2³¹, so the product's upper word is uniform to within 2⁻³² · wrong of each.
      drawn.push_back(
          wrong_class(static_cast<std::int64_t>(words.word[w] * static_cast<std::uint64_t>(wrong) >> 32), right_));
  }
  std::sort(drawn.begin() + begin, drawn.end());
  return static_cast<double>(wrong) / static_cast<double>(per_example_);
}

}  // namespace onelogit
