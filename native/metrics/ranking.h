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

// One class, by its distinct positive scores in ascending order: positives[i] examples of the class have the i-th,
// examples[i] examples of any class have a score from the i-th to just below the next.
struct ClassRanking {
  const std::int64_t* positives;
  const std::int64_t* examples;
  std::int64_t thresholds;
};
double average_precision(const ClassRanking& ranking);
double precision_at_recall(const ClassRanking& ranking, double recall);

// Into how many slices the rows of an m×k matrix are cut: one per thread, fewer when that would be less work than a
// hand-over.
std::int64_t row_slices(std::int64_t m, std::int64_t k);

[[noreturn]] void throw_score_is_nan(const std::string& where);
[[noreturn]] void throw_no_positives(const std::string& metric);

}  // namespace onelogit
