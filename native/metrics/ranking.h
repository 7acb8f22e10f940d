// What the metrics share: where a score falls among the sorted scores of the positives.
//
// Precision and recall change their meaning only at the scores of positives: recall is constant between two of them, so
// a threshold at a negative's score adds nothing to average precision and is never the highest one that reaches a
// recall. So only the positives are sorted, and of the others it is only counted between which two positives they fall:
// O(n log p) for p positives among n examples, with no sort of all n and no tie to break.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace onelogit {

// How many of the n ascending values are ≤ `value`. No branch on the data. NaN: 0.
inline std::int64_t count_not_above(const float* ascending, std::int64_t n, float value) {
  const float* base = ascending;
  while (n > 1) {
    const std::int64_t half = n / 2;
    base += base[half - 1] <= value ? half : 0;
    n -= half;
  }
  return base - ascending + (n == 1 && *base <= value ? 1 : 0);
}

// Sorts the n values and drops repetitions: ascending distinct values at the front, positives[i] how often the i-th of
// them occurred. Returns how many are distinct. −0 and 0 are one value. The values hold no NaN.
std::int64_t distinct_ascending(float* values, std::int64_t n, std::int64_t* positives);

// A ranking by its distinct positive scores in ascending order: positives[i] positives have the i-th, examples[i]
// examples, positive or not, have a score from the i-th to just below the next. `Count` is double where an example of a
// sample stands for several.
template <class Count>
struct Ranking {
  const std::int64_t* positives;
  const Count* examples;
  std::int64_t thresholds;
};
using ClassRanking = Ranking<std::int64_t>;

template <class Count>
double average_precision(const Ranking<Count>& ranking) {
  double sum = 0;
  std::int64_t true_positives = 0;
  Count predicted = 0;
  for (std::int64_t i = ranking.thresholds; i-- > 0;) {
    true_positives += ranking.positives[i];
    predicted += ranking.examples[i];
    const double precision = static_cast<double>(true_positives) / static_cast<double>(predicted);
    sum += static_cast<double>(ranking.positives[i]) * precision;
  }
  return sum / static_cast<double>(true_positives);
}

template <class Count>
double precision_at_recall(const Ranking<Count>& ranking, double recall) {
  std::int64_t all_positives = 0;
  for (std::int64_t i = 0; i < ranking.thresholds; ++i) all_positives += ranking.positives[i];
  std::int64_t true_positives = 0;
  Count predicted = 0;
  for (std::int64_t i = ranking.thresholds; i-- > 0;) {
    true_positives += ranking.positives[i];
    predicted += ranking.examples[i];
    // The quotient is correctly rounded: 9 of 10 reach a recall of 0.9 exactly.
    if (static_cast<double>(true_positives) / static_cast<double>(all_positives) >= recall) break;
  }
  return static_cast<double>(true_positives) / static_cast<double>(predicted);
}

// Into how many slices the rows of an m×k matrix are cut: one per thread, fewer when that would be less work than a
// hand-over.
std::int64_t row_slices(std::int64_t m, std::int64_t k);

[[noreturn]] void throw_score_is_nan(const std::string& where);
[[noreturn]] void throw_no_positives(const std::string& metric);

}  // namespace onelogit
