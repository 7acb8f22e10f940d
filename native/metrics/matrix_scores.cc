// Evaluation of a score matrix in memory: what `evaluate` gives by blocks, from blocks of the matrix.

#include <algorithm>
#include <vector>

#include "metrics/metrics.h"

namespace onelogit {
namespace {

class MatrixScores final : public ScoreBlocks {
 public:
  MatrixScores(const float* scores, std::int64_t m, std::int64_t k) : scores_(scores), m_(m), k_(k) {}
  std::int64_t examples() const override { return m_; }
  std::int64_t classes() const override { return k_; }
  void choose(const std::int64_t* examples, std::int64_t count) override { chosen_.assign(examples, examples + count); }
  float* scores(std::int64_t begin, std::int64_t classes) override {
    block_.resize(chosen_.size() * static_cast<std::size_t>(classes));
    float* out = block_.data();
    for (const std::int64_t example : chosen_) out = std::copy_n(scores_ + example * k_ + begin, classes, out);
    return block_.data();
  }

 private:
  const float* scores_;
  std::int64_t m_, k_;
  std::vector<std::int64_t> chosen_;
  std::vector<float> block_;
};

}  // namespace

EvaluationResult evaluate_scores(const float* scores, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                 const EvaluationOptions& options) {
  MatrixScores blocks(scores, m, k);
  EvaluationOptions uncancelled = options;
  uncancelled.cancelled = nullptr;
  return *evaluate(blocks, labels, uncancelled);
}

}  // namespace onelogit
