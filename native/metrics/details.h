// What a report of an evaluation shows beyond its measures: distributions of scores, precision-recall curves,
// confusions, and what given thresholds do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "metrics/also_correct.h"
#include "metrics/confusions.h"
#include "metrics/curve.h"
#include "metrics/score_grid.h"
#include "metrics/score_rows.h"

namespace onelogit {

struct DetailsOptions {
  std::int64_t classes = 2000;               // at most so many, the ones of the lowest average precision
  std::int64_t bins = 400;                   // at most
  std::int64_t pooled_curve_points = 1000;   // at most, of the curve of all pairs
  std::int64_t class_curve_points = 80'000;  // of the curves of all these classes together, about; at least 40 for each
  std::int64_t confusions = 200;             // most frequent pairs of classes
  std::int64_t class_confusions = 5;         // most frequent wrong classes of each of these classes
  std::span<const float> thresholds;         // of each class, or none
};

// Scores in each bin of the grid: of the label of an example, and of every wrong class.
struct ScoreHistogram {
  std::vector<std::int64_t> true_counts, false_counts;
};

struct ClassDetails : ScoreHistogram {
  std::int32_t class_id = 0;
  std::vector<CurvePoint> curve;
  std::vector<Confusion> confusions;  // with this label
};

struct EvaluationDetails {
  std::vector<float> edges;  // of all histograms
  ScoreHistogram pooled;
  std::vector<CurvePoint> pooled_curve;
  std::vector<ClassDetails> classes;  // of the lowest average precision first
  std::vector<Confusion> confusions;
  // What reaches the thresholds given, for each class; empty without.
  std::vector<std::int64_t> true_at_threshold, false_at_threshold;
};

// Counts them, in one walk over all scores. `Evaluation` (evaluate.cc) knows what is needed for it: all true scores,
// the range of the wrong ones, and which classes are the hardest.
//
// Confusions are counted exactly for any number of classes, though there may be k² of them: examples come in the order
// of their labels, so one counter a class is enough. When the last example of a label is through, the counters hold its
// confusions; the most frequent are kept, and all start from 0 for the next label.
class DetailsCounter {
 public:
  struct Given {
    const std::int32_t* labels;
    std::span<const float> true_scores;  // one for each example
    const AlsoCorrect& also_correct;
    std::int64_t classes;                        // k
    std::vector<std::int32_t> detailed;          // the classes to look at
    float least, greatest;                       // of the true and the wrong scores that are finite
    std::int64_t block_examples, block_classes;  // of the largest block
  };
  DetailsCounter(const DetailsOptions& options, Given given);

  // Every block once, examples in the order of their labels, classes ascending for the same examples. True scores are
  // those given. `label_goes_on`: the example after these has the label of the last one.
  void count(const ScoreRows& rows, bool label_goes_on);
  // All but the curves.
  EvaluationDetails finish();

 private:
  // What one thread counts, besides counters of classes, which are its own.
  struct Slice {
    std::vector<std::int64_t> pooled_false;
    std::vector<Confusion> confusions;   // the most frequent of all
    std::vector<Confusion> of_detailed;  // and of each detailed class: class_confusions places for each
  };
  void count_slice(const ScoreRows& rows, bool label_goes_on, std::int64_t first, std::int64_t last, Slice& slice);
  void count_row(const ScoreRows& rows, std::int64_t r, std::int64_t first, std::int64_t last, Slice& slice);
  void finish_label(std::int32_t label, std::int64_t first, std::int64_t last, Slice& slice);
  std::span<Confusion> of_detailed(Slice& slice, std::size_t place) const {
    const auto count = static_cast<std::size_t>(options_.class_confusions);
    return {slice.of_detailed.data() + place * count, count};
  }
  void count_true_scores(EvaluationDetails& details) const;

  DetailsOptions options_;
  Given given_;
  ScoreGrid grid_;
  std::vector<std::int32_t> place_of_;      // k: where a class is among the detailed, or −1
  std::vector<std::int64_t> false_counts_;  // detailed × bins
  std::vector<std::int64_t> false_at_threshold_;
  std::vector<std::int64_t> above_;  // k: examples of the label at hand that the class is above in
  std::vector<Slice> slices_;
};

}  // namespace onelogit
