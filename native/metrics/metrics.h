// Ranking metrics of the paper's tables, over scores of one class or over a whole score matrix.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "metrics/also_correct.h"
#include "metrics/details.h"
#include "metrics/score_blocks.h"

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

struct RankingMetrics {
  double average_precision = 0, precision_at_90 = 0, precision_at_99 = 0;
};
struct ClassMetrics : RankingMetrics {  // 0 without positives
  std::int64_t positives = 0;
};
// Macro average over some of the classes; NaN over none.
struct MacroAverage : RankingMetrics {
  std::int64_t classes = 0;
};
// All (example, class) pairs in one ranking.
struct PooledMetrics : RankingMetrics {
  std::int64_t negatives = 0;  // wrong pairs that were ranked: all of them, or as many as were drawn
};
struct EvaluationResult {
  std::int64_t examples = 0, classes = 0;
  double accuracy = 0;
  MacroAverage occurring;                // classes that occur, as in the paper's Table I
  MacroAverage at_least_five_positives;  // of these, those with so many that their metrics mean something
  PooledMetrics pooled;
  std::int64_t classes_without_positives = 0;
  Separation separation;
  std::vector<ClassMetrics> per_class;
  std::optional<EvaluationDetails> details;  // if they were asked for
};

inline constexpr std::int64_t all_negatives = 0;

struct EvaluationOptions {
  // Rank by softmax probabilities instead of the scores as they come.
  bool softmax = false;
  // Wrong classes drawn for each example for the pooled metrics, or `all_negatives`.
  std::int64_t negatives = all_negatives;
  std::uint64_t seed = 1;
  // Right classes besides the labels, checked: left out of everything. Null: none.
  const AlsoCorrect* also_correct = nullptr;
  // Null: none.
  const DetailsOptions* details = nullptr;
  // Looked at between blocks; null: never stopped.
  const std::atomic<bool>* cancelled = nullptr;
  // Grows by the number of examples in each of `passes`; null: nobody asks.
  std::atomic<std::int64_t>* examples_done = nullptr;
  std::int64_t passes() const { return details != nullptr ? 3 : 2; }
  // Of a block of scores: 4 MiB.
  std::int64_t block_examples = 256, block_classes = 4096;
};

// All metrics of n ≥ 1 examples, from their scores by blocks, which are asked for twice (for the true scores, then for
// all; once more for details), so that memory is O(n + k) and a block per thread. Accuracy: the largest score, lowest
// index on ties. Nothing if it was cancelled. Throws as above, and ERR_ONELOGIT_NO_POSITIVES when n = 0.
std::optional<EvaluationResult> evaluate(ScoreBlocks& blocks, const std::int32_t* labels,
                                         const EvaluationOptions& options);

// The same over a score matrix m×k in memory.
EvaluationResult evaluate_scores(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                 const EvaluationOptions& options = {});

}  // namespace onelogit
