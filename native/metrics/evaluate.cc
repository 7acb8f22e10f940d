// All metrics of a model, from blocks of scores that are never all there at once.
//
// First pass: the n true scores, which are the thresholds of everything (and, for softmax, each example's normaliser).
// Second pass: every score is counted where it falls among the thresholds of its class and among those of all classes.
// Third pass, if details are asked for: what needs the range of all scores, or to know which classes are the hardest.
// Counts are integers: the result does not depend on threads. Examples are taken in the order of their labels, so that
// the first pass needs few blocks: a block of examples has its labels in one or two blocks of classes.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <numeric>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/threads.h"
#include "loss/loss.h"
#include "loss/softmax_state.h"
#include "metrics/metrics.h"
#include "metrics/negatives.h"
#include "metrics/thresholds.h"

namespace onelogit {
namespace {

constexpr std::int64_t positives_that_mean_something = 5;

const AlsoCorrect none_also_correct;

// What one thread counts. Class thresholds are not in it: a slice has classes of its own, so they are shared.
struct Tally {
  std::vector<std::int64_t> wrong;               // per pooled threshold: wrong pairs from it to just below the next
  std::vector<std::uint8_t> surpassed;           // per example of the block: a wrong class has the larger score
  float least = INFINITY, greatest = -INFINITY;  // of the wrong scores
  bool nan = false;
};

class Evaluation {
 public:
  Evaluation(ScoreBlocks& blocks, const std::int32_t* labels, const EvaluationOptions& options);
  std::optional<EvaluationResult> run();

 private:
  bool cancelled() const { return options_.cancelled != nullptr && options_.cancelled->load(); }
  // Runs body(examples, count) for every block of examples until it says false; whether it never did.
  bool walk_examples(FunctionRef<bool(const std::int64_t* examples, std::int64_t count)> body);
  // Runs body(block) for every block of classes that `wanted` until cancelled; whether it was not.
  bool walk_classes(const std::int64_t* examples, std::int64_t count,
                    FunctionRef<bool(std::int64_t begin, std::int64_t end)> wanted,
                    FunctionRef<void(const ScoreRows& block)> body);

  bool find_true_scores();
  void add_to_normalisers(const ScoreRows& block);
  void finish_true_scores();
  bool count_scores();
  // Scores as they are ranked.
  void finish_scores(const ScoreRows& block) const;
  void replace_by_probabilities(const ScoreRows& block) const;
  void count_block(const ScoreRows& block);
  void count_row(const ScoreRows& block, std::int64_t r, std::int64_t first, std::int64_t last, Tally& tally);
  void count_run(const float* scores, std::int64_t begin, std::int64_t first, std::int64_t last, std::int64_t example,
                 bool& surpassed, Tally& tally);
  void finish_examples(std::int64_t count);
  void sample_block(const ScoreRows& block);
  EvaluationResult result() const;
  // Over the same scores once more. Nothing if it was cancelled.
  std::optional<EvaluationDetails> details(const EvaluationResult& result);
  MacroAverage average(const std::vector<ClassMetrics>& classes, std::int64_t least_positives) const;

  ScoreBlocks& blocks_;
  const std::int32_t* labels_;
  const EvaluationOptions& options_;
  const AlsoCorrect& also_correct_;
  std::int64_t n_, k_;
  std::vector<std::int64_t> order_;        // examples by label
  std::vector<float> true_scores_;         // n
  std::vector<SoftmaxState> normalisers_;  // n, for softmax
  std::optional<ClassThresholds> classes_;
  std::optional<PooledThresholds> pooled_;
  std::vector<Tally> tallies_;  // one per thread
  std::int64_t correct_ = 0;

  // Sampled negatives of the block of examples at hand.
  std::vector<std::int32_t> drawn_;        // ascending within an example
  std::vector<std::int64_t> drawn_begin_;  // per example
  std::vector<std::int64_t> drawn_next_;   // the first of its draws beyond the blocks seen
  std::vector<double> drawn_weight_;       // per example: wrong pairs that a draw stands for
  std::vector<double> sampled_;            // per pooled threshold, as Tally::wrong
  std::int64_t sampled_count_ = 0;
};

Evaluation::Evaluation(ScoreBlocks& blocks, const std::int32_t* labels, const EvaluationOptions& options)
    : blocks_(blocks),
      labels_(labels),
      options_(options),
      also_correct_(options.also_correct != nullptr ? *options.also_correct : none_also_correct),
      n_(blocks.examples()),
      k_(blocks.classes()),
      order_(n_),
      true_scores_(n_) {
  std::iota(order_.begin(), order_.end(), std::int64_t{0});
  std::stable_sort(order_.begin(), order_.end(), [&](auto a, auto b) { return labels_[a] < labels_[b]; });
  if (options_.softmax) normalisers_.resize(n_);
}

bool Evaluation::walk_examples(FunctionRef<bool(const std::int64_t*, std::int64_t)> body) {
  for (std::int64_t first = 0; first < n_; first += options_.block_examples) {
    const std::int64_t count = std::min(options_.block_examples, n_ - first);
    blocks_.choose(order_.data() + first, count);
    if (!body(order_.data() + first, count)) return false;
    if (options_.examples_done != nullptr) *options_.examples_done += count;
  }
  return true;
}

bool Evaluation::walk_classes(const std::int64_t* examples, std::int64_t count,
                              FunctionRef<bool(std::int64_t, std::int64_t)> wanted,
                              FunctionRef<void(const ScoreRows&)> body) {
  for (std::int64_t begin = 0; begin < k_; begin += options_.block_classes) {
    const std::int64_t classes = std::min(options_.block_classes, k_ - begin);
    if (!wanted(begin, begin + classes)) continue;
    if (cancelled()) return false;
    body({examples, count, begin, classes, blocks_.scores(begin, classes)});
  }
  return true;
}

bool Evaluation::find_true_scores() {
  return walk_examples([&](const std::int64_t* examples, std::int64_t count) {
    std::int64_t next = 0;  // the first example whose label is beyond the blocks seen; labels ascend
    return walk_classes(
        examples, count,
        [&](std::int64_t, std::int64_t end) {
          return options_.softmax || (next < count && labels_[examples[next]] < end);
        },
        [&](const ScoreRows& block) {
          if (options_.softmax) add_to_normalisers(block);
          for (; next < count && labels_[examples[next]] < block.end(); ++next)
            true_scores_[examples[next]] = block.row(next)[labels_[examples[next]] - block.begin];
        });
  });
}

void Evaluation::add_to_normalisers(const ScoreRows& block) {
  parallel_for(block.count, std::max<std::int64_t>(1, 8192 / block.classes), 1, [&](auto first, auto last) {
    for (std::int64_t r = first; r < last; ++r) {
      SoftmaxState state;
      softmax_loss_kernels().statistics(block.row(r), block.classes, 1, block.classes, &state.maximum, &state.sum,
                                        nullptr);
      SoftmaxState& total = normalisers_[block.examples[r]];
      total = merge(total, state);
    }
  });
}

void Evaluation::finish_true_scores() {
  for (std::int64_t i = 0; i < n_; ++i) {
    float& score = true_scores_[i];
    if (options_.softmax) {
      const SoftmaxState& state = normalisers_[i];
      softmax_loss_kernels().exponential(&score, 1, state.maximum, static_cast<float>(1.0 / state.sum), &score);
    }
    if (std::isnan(score)) throw_score_is_nan("scores");
  }
  classes_.emplace(true_scores_, labels_, k_);
  pooled_.emplace(true_scores_);
}

bool Evaluation::count_scores() {
  tallies_.resize(static_cast<std::size_t>(std::max<std::int64_t>(
      1, std::min<std::int64_t>(thread_count(),
                                row_slices(options_.block_examples, std::min(options_.block_classes, k_))))));
  for (Tally& tally : tallies_) {
    tally.wrong.resize(static_cast<std::size_t>(pooled_->size()));
    tally.surpassed.resize(static_cast<std::size_t>(options_.block_examples));
  }
  const bool sampling = options_.negatives != all_negatives;
  if (sampling) sampled_.resize(static_cast<std::size_t>(pooled_->size()));
  NegativeSampler sampler(options_.seed, k_, options_.negatives);
  return walk_examples([&](const std::int64_t* examples, std::int64_t count) {
    if (sampling) {
      drawn_.clear();
      drawn_begin_.assign(1, 0);
      drawn_weight_.clear();
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t i = examples[r];
        drawn_weight_.push_back(sampler.draw(i, labels_[i], also_correct_.of(i), drawn_));
        drawn_begin_.push_back(static_cast<std::int64_t>(drawn_.size()));
      }
      drawn_next_ = drawn_begin_;
      sampled_count_ += static_cast<std::int64_t>(drawn_.size());
    }
    const bool whole = walk_classes(
        examples, count, [](std::int64_t, std::int64_t) { return true; },
        [&](const ScoreRows& block) {
          finish_scores(block);
          count_block(block);
          if (sampling) sample_block(block);
        });
    if (whole) finish_examples(count);
    return whole;
  });
}

void Evaluation::finish_scores(const ScoreRows& block) const {
  if (options_.softmax) replace_by_probabilities(block);
  // A kernel may round an element differently at the end of a row: a threshold has to meet itself.
  for (std::int64_t r = 0; r < block.count; ++r)
    if (block.holds(labels_[block.examples[r]]))
      block.row(r)[labels_[block.examples[r]] - block.begin] = true_scores_[block.examples[r]];
}

void Evaluation::replace_by_probabilities(const ScoreRows& block) const {
  parallel_for(block.count, std::max<std::int64_t>(1, 8192 / block.classes), 1, [&](auto first, auto last) {
    for (std::int64_t r = first; r < last; ++r) {
      const SoftmaxState& state = normalisers_[block.examples[r]];
      softmax_loss_kernels().exponential(block.row(r), block.classes, state.maximum,
                                         static_cast<float>(1.0 / state.sum), block.row(r));
    }
  });
}

void Evaluation::count_block(const ScoreRows& block) {
  const auto slices = static_cast<std::int64_t>(tallies_.size());
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    const std::int64_t first = block.begin + block.classes * slice / slices;
    const std::int64_t last = block.begin + block.classes * (slice + 1) / slices;
    for (std::int64_t r = 0; r < block.count; ++r) count_row(block, r, first, last, tallies_[slice]);
  });
  for (const Tally& tally : tallies_)
    if (tally.nan) throw_score_is_nan("scores");
}

// The classes [first, last) of one example: the runs between its right classes.
void Evaluation::count_row(const ScoreRows& block, std::int64_t r, std::int64_t first, std::int64_t last,
                           Tally& tally) {
  const std::int64_t example = block.examples[r], label = labels_[example];
  const float* scores = block.row(r);
  bool surpassed = false;
  const auto excluded = also_correct_.of(example);
  auto next_excluded = std::lower_bound(excluded.begin(), excluded.end(), first);
  bool label_ahead = label >= first && label < last;
  for (std::int64_t j = first; j < last;) {
    const std::int64_t stop_excluded =
        next_excluded != excluded.end() ? std::min<std::int64_t>(*next_excluded, last) : last;
    const std::int64_t stop = label_ahead ? std::min(label, stop_excluded) : stop_excluded;
    count_run(scores, block.begin, j, stop, example, surpassed, tally);
    if (stop < last) {
      const float score = scores[stop - block.begin];
      if (label_ahead && stop == label) {
        classes_->count(stop, score);  // a positive is an example, too
        label_ahead = false;
      } else {
        tally.nan |= std::isnan(score);
        ++next_excluded;
      }
    }
    j = stop + 1;
  }
  if (surpassed) tally.surpassed[static_cast<std::size_t>(r)] = 1;
}

// Wrong classes [first, last), all below or all above the label.
void Evaluation::count_run(const float* scores, std::int64_t begin, std::int64_t first, std::int64_t last,
                           std::int64_t example, bool& surpassed, Tally& tally) {
  if (first >= last) return;
  const PooledThresholds& pooled = *pooled_;
  ClassThresholds& classes = *classes_;
  const float lowest = pooled.lowest();
  float least = INFINITY, largest = -INFINITY;
  bool nan = false;
  for (std::int64_t j = first; j < last; ++j) {
    const float score = scores[j - begin];
    nan |= std::isnan(score);
    least = score < least ? score : least;
    largest = score > largest ? score : largest;
    if (score >= lowest) {
      ++tally.wrong[static_cast<std::size_t>(pooled.reached(score))];
      if (score >= classes.lowest[j]) classes.count(j, score);
    }
  }
  tally.nan |= nan;
  tally.least = std::min(tally.least, least);
  tally.greatest = std::max(tally.greatest, largest);
  // The lowest index wins a tie.
  surpassed |= first < labels_[example] ? largest >= true_scores_[example] : largest > true_scores_[example];
}

void Evaluation::finish_examples(std::int64_t count) {
  for (std::int64_t r = 0; r < count; ++r) {
    bool surpassed = false;
    for (Tally& tally : tallies_) {
      surpassed |= tally.surpassed[static_cast<std::size_t>(r)] != 0;
      tally.surpassed[static_cast<std::size_t>(r)] = 0;
    }
    correct_ += surpassed ? 0 : 1;
  }
}

// Example after example on this thread: sums of weights depend on their order.
void Evaluation::sample_block(const ScoreRows& block) {
  for (std::int64_t r = 0; r < block.count; ++r) {
    std::int64_t& next = drawn_next_[r];
    for (; next < drawn_begin_[r + 1] && drawn_[next] < block.end(); ++next) {
      const float score = block.row(r)[drawn_[next] - block.begin];
      if (score >= pooled_->lowest()) sampled_[pooled_->reached(score)] += drawn_weight_[r];
    }
  }
}

MacroAverage Evaluation::average(const std::vector<ClassMetrics>& classes, std::int64_t least_positives) const {
  MacroAverage average;
  for (const ClassMetrics& one : classes) {
    if (one.positives < least_positives) continue;
    ++average.classes;
    average.average_precision += one.average_precision;
    average.precision_at_90 += one.precision_at_90;
    average.precision_at_99 += one.precision_at_99;
  }
  const auto count = static_cast<double>(average.classes);
  average.average_precision /= count;
  average.precision_at_90 /= count;
  average.precision_at_99 /= count;
  return average;
}

template <class Count>
RankingMetrics metrics_of(const Ranking<Count>& ranking) {
  return {average_precision(ranking), precision_at_recall(ranking, 0.9), precision_at_recall(ranking, 0.99)};
}

EvaluationResult Evaluation::result() const {
  EvaluationResult result;
  result.examples = n_;
  result.classes = k_;
  result.accuracy = static_cast<double>(correct_) / static_cast<double>(n_);

  const std::int64_t thresholds = pooled_->size();
  std::vector<std::int64_t> wrong(thresholds);
  for (const Tally& tally : tallies_)
    for (std::int64_t t = 0; t < thresholds; ++t) wrong[t] += tally.wrong[t];
  // A wrong pair between two thresholds is above or level with all true scores up to the lower one.
  double misordered = 0;
  std::int64_t true_scores = 0;
  for (std::int64_t t = 0; t < thresholds; ++t) {
    true_scores += pooled_->positives(t);
    misordered += static_cast<double>(wrong[t]) * static_cast<double>(true_scores);
  }
  const std::int64_t wrong_pairs = n_ * (k_ - 1) - static_cast<std::int64_t>(also_correct_.classes.size());
  const double pairs = static_cast<double>(n_) * static_cast<double>(wrong_pairs);
  result.separation = {pairs > 0 ? misordered / pairs : 0, misordered == 0};

  const bool sampled = options_.negatives != all_negatives;
  std::vector<double> ranked(thresholds);
  for (std::int64_t t = 0; t < thresholds; ++t)
    ranked[t] = static_cast<double>(pooled_->positives(t)) + (sampled ? sampled_[t] : static_cast<double>(wrong[t]));
  static_cast<RankingMetrics&>(result.pooled) =
      metrics_of(Ranking<double>{pooled_->positives().data(), ranked.data(), thresholds});
  result.pooled.negatives = sampled ? sampled_count_ : wrong_pairs;

  result.per_class.resize(k_);
  for (std::int64_t j = 0; j < k_; ++j) {
    ClassMetrics& metrics = result.per_class[j];
    metrics.positives = classes_->begin[j + 1] - classes_->begin[j];
    if (metrics.positives > 0) static_cast<RankingMetrics&>(metrics) = metrics_of(classes_->ranking(j));
  }
  result.occurring = average(result.per_class, 1);
  result.at_least_five_positives = average(result.per_class, positives_that_mean_something);
  result.classes_without_positives = k_ - result.occurring.classes;
  return result;
}

// The detailed classes: of those that occur, the ones of the lowest average precision.
std::vector<std::int32_t> hardest(const std::vector<ClassMetrics>& classes, std::int64_t most) {
  std::vector<std::int32_t> hardest;
  for (std::size_t j = 0; j < classes.size(); ++j)
    if (classes[j].positives > 0) hardest.push_back(static_cast<std::int32_t>(j));
  std::stable_sort(hardest.begin(), hardest.end(), [&](std::int32_t a, std::int32_t b) {
    return classes[a].average_precision < classes[b].average_precision;
  });
  if (static_cast<std::int64_t>(hardest.size()) > most) hardest.resize(static_cast<std::size_t>(most));
  return hardest;
}

std::optional<EvaluationDetails> Evaluation::details(const EvaluationResult& result) {
  const DetailsOptions& options = *options_.details;
  float least = FLT_MAX, greatest = -FLT_MAX;  // of those that are finite, of which there may be none
  const auto reach = [&](float score) {
    if (!std::isfinite(score)) return;
    least = std::min(least, score);
    greatest = std::max(greatest, score);
  };
  for (const float score : true_scores_) reach(score);
  for (const Tally& tally : tallies_) {
    reach(tally.least);
    reach(tally.greatest);
  }
  if (least > greatest) least = greatest = 0;
  DetailsCounter counter(options, {.labels = labels_,
                                   .true_scores = true_scores_,
                                   .also_correct = also_correct_,
                                   .classes = k_,
                                   .detailed = hardest(result.per_class, options.classes),
                                   .least = least,
                                   .greatest = greatest,
                                   .block_examples = options_.block_examples,
                                   .block_classes = options_.block_classes});
  const bool whole = walk_examples([&](const std::int64_t* examples, std::int64_t count) {
    const std::int64_t* next = examples + count;
    const bool label_goes_on = next != order_.data() + n_ && labels_[*next] == labels_[next[-1]];
    return walk_classes(
        examples, count, [](std::int64_t, std::int64_t) { return true; },
        [&](const ScoreRows& block) {
          finish_scores(block);
          counter.count(block, label_goes_on);
        });
  });
  if (!whole) return std::nullopt;
  EvaluationDetails details = counter.finish();

  std::vector<std::int64_t> ranked(pooled_->positives());
  for (const Tally& tally : tallies_)
    for (std::int64_t t = 0; t < pooled_->size(); ++t) ranked[t] += tally.wrong[t];
  details.pooled_curve =
      thin_curve(curve_of(pooled_->scores().data(), {pooled_->positives().data(), ranked.data(), pooled_->size()}),
                 options.pooled_curve_points);
  const std::int64_t points = std::clamp<std::int64_t>(
      options.class_curve_points / std::max<std::int64_t>(1, static_cast<std::int64_t>(details.classes.size())), 40,
      options.pooled_curve_points);
  for (ClassDetails& one : details.classes)
    one.curve = thin_curve(
        curve_of(classes_->scores.data() + classes_->begin[one.class_id], classes_->ranking(one.class_id)), points);
  return details;
}

std::optional<EvaluationResult> Evaluation::run() {
  if (!find_true_scores()) return std::nullopt;
  finish_true_scores();
  if (!count_scores()) return std::nullopt;
  EvaluationResult done = result();
  if (options_.details != nullptr) {
    done.details = details(done);
    if (!done.details) return std::nullopt;
  }
  return done;
}

}  // namespace

std::optional<EvaluationResult> evaluate(ScoreBlocks& blocks, const std::int32_t* labels,
                                         const EvaluationOptions& options) {
  const std::int64_t n = blocks.examples(), k = blocks.classes();
  if (n == 0) throw_no_positives("evaluation");
  check_labels(labels, n, k);
  if (options.also_correct != nullptr) check_also_correct(*options.also_correct, labels, n, k);
  return Evaluation(blocks, labels, options).run();
}

}  // namespace onelogit
