// Ranking metrics of the paper's tables, over scores of one class or over a whole score matrix.
#pragma once

#include <cstdint>
#include <vector>

namespace onelogit {

// Average precision as scikit-learn's average_precision_score: Σ_n (R_n − R_{n−1}) P_n over distinct thresholds, ties
// taken together. `positives` is n bytes, 0 or not. Infinite scores are ranked like others. Throws
// ERR_ONELOGIT_NO_POSITIVES, ERR_ONELOGIT_NOT_FINITE (a NaN score).
double average_precision(const float* scores, const std::uint8_t* positives, std::int64_t n);

// Precision at the highest threshold whose recall is at least `recall` (0 < recall ≤ 1), ties taken together.
double precision_at_recall(const float* scores, const std::uint8_t* positives, std::int64_t n, double recall);

struct Separation {
  double misordered = 0;  // share of (true, false) logit pairs with true ≤ false (ties count: Definition 1 is strict)
  bool holds = false;     // whether every true logit is above every false one
};
// logits m×k. O(mk log m): true logits are sorted, every false logit is looked up. Without a pair (k = 1) it holds.
// Throws ERR_ONELOGIT_LABEL_RANGE, ERR_ONELOGIT_NOT_FINITE (NaN).
Separation separation(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k);

struct ClassMetrics {
  std::int64_t positives = 0;
  double average_precision = 0, precision_at_90 = 0, precision_at_99 = 0;  // 0 without positives
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
// scores m×k (logits, or softmax probabilities), m ≥ 1. Accuracy: the largest score, lowest index on ties. Throws as
// above, and ERR_ONELOGIT_NO_POSITIVES when m = 0. Memory: O(m) per thread beside the scores.
EvaluationResult evaluate_scores(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k);

}  // namespace onelogit
