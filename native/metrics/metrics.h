// Ranking metrics of the paper's tables, over scores of one class or over a whole score matrix.
#pragma once

#include <cstdint>
#include <vector>

namespace onelogit {

// Average precision as scikit-learn's average_precision_score: Σ_n (R_n − R_{n−1}) P_n over distinct thresholds, ties
// taken together. `positives` is n bytes of 0 or 1. Throws ERR_ONELOGIT_NO_POSITIVES, ERR_ONELOGIT_NOT_FINITE (a NaN
// score).
double average_precision(const float* scores, const std::uint8_t* positives, std::int64_t n);

// Precision at the highest threshold whose recall is at least `recall` (0 < recall ≤ 1), ties taken together.
double precision_at_recall(const float* scores, const std::uint8_t* positives, std::int64_t n, double recall);

struct Separation {
  double misordered = 0;  // share of (true, false) logit pairs with true ≤ false (ties count: Definition 1 is strict)
  bool holds = false;     // whether every true logit is above every false one
};
// logits m×k. O(mk log m): true logits are sorted, every false logit is looked up.
Separation separation(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k);

struct ClassMetrics {
  std::int64_t positives = 0;
  double average_precision = 0, precision_at_90 = 0, precision_at_99 = 0;  // of classes with positives
};
struct EvaluationResult {
  std::int64_t examples = 0, classes = 0;
  double accuracy = 0;
  // Macro averages over classes that occur, as in the paper's Table I.
  double average_precision = 0, precision_at_90 = 0, precision_at_99 = 0;
  std::int64_t classes_without_positives = 0;
  Separation separation;
  std::vector<ClassMetrics> per_class;
};
// scores m×k (logits, or softmax probabilities).
EvaluationResult evaluate_scores(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k);

}  // namespace onelogit
