// The scores of positives, as thresholds: of each class its own, and of all classes together.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/ranking.h"

namespace onelogit {

// Distinct scores of each class's positives, ascending, class after class. The positives of all classes together are
// the n examples, so that all of them fit in n floats.
struct ClassThresholds {
  ClassThresholds(const std::vector<float>& true_scores, const std::int32_t* labels, std::int64_t k);

  // One more example of any class with this score for class j, which is at least lowest[j].
  void count(std::int64_t j, float score) {
    const std::int64_t at = begin[j];
    if (distinct[j] > 0) ++examples[at + count_not_above(scores.data() + at, distinct[j], score) - 1];
  }
  ClassRanking ranking(std::int64_t j) const {
    return {positives.data() + begin[j], examples.data() + begin[j], distinct[j]};
  }

  std::vector<float> scores;
  std::vector<std::int64_t> positives;  // how many positives have this score
  std::vector<std::int64_t> examples;   // counted: scores of that class from it to just below the next
  std::vector<std::int64_t> begin;      // k + 1: where a class begins; [begin[j], begin[j] + distinct[j]) are in use
  std::vector<std::int64_t> distinct;   // k
  std::vector<float> lowest;            // k: the lowest threshold; +infinity without positives
};

// The distinct true scores of all examples, ascending. Every score is looked up among them, so not by halving all of
// them but by a table over equal parts of their range, then by halving what falls into one part: usually one or two.
class PooledThresholds {
 public:
  explicit PooledThresholds(const std::vector<float>& true_scores);

  std::int64_t size() const { return static_cast<std::int64_t>(scores_.size()); }
  float lowest() const { return scores_.front(); }
  const std::vector<float>& scores() const { return scores_; }
  // How many true scores are the t-th.
  std::int64_t positives(std::int64_t t) const { return positives_[t]; }
  const std::vector<std::int64_t>& positives() const { return positives_; }
  // Which threshold is the highest that `score`, at least the lowest, reaches.
  std::int64_t reached(float score) const {
    const std::int64_t part = part_of(score), first = part_begin_[part];
    return first + count_not_above(scores_.data() + first, part_begin_[part + 1] - first, score) - 1;
  }

 private:
  // Never descends as the score ascends, whatever is rounded: so a threshold in a lower part is below the score, one in
  // a higher part above it.
  std::int64_t part_of(float score) const {
    const float at = (score - origin_) * parts_per_unit_;
    return at > 0 ? static_cast<std::int64_t>(at < last_part_ ? at : last_part_) : 0;
  }

  std::vector<float> scores_;
  std::vector<std::int64_t> positives_;
  float origin_ = 0, parts_per_unit_ = 0, last_part_ = 0;
  std::vector<std::int64_t> part_begin_;  // per part, and the end
};

}  // namespace onelogit
