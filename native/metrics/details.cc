#include "metrics/details.h"

#include <algorithm>

#include "backend/cpu/threads.h"

namespace onelogit {

DetailsCounter::DetailsCounter(const DetailsOptions& options, Given given)
    : options_(options),
      given_(std::move(given)),
      grid_(given_.least, given_.greatest, options.bins),
      place_of_(static_cast<std::size_t>(given_.classes), -1),
      false_counts_(given_.detailed.size() * static_cast<std::size_t>(grid_.bins())),
      false_at_threshold_(options.thresholds.size()),
      above_(static_cast<std::size_t>(given_.classes)) {
  for (std::size_t place = 0; place < given_.detailed.size(); ++place)
    place_of_[given_.detailed[place]] = static_cast<std::int32_t>(place);
  const std::int64_t slices =
      std::max<std::int64_t>(1, row_slices(given_.block_examples, std::min(given_.block_classes, given_.classes)));
  slices_.resize(static_cast<std::size_t>(slices));
  for (Slice& slice : slices_) {
    slice.pooled_false.resize(static_cast<std::size_t>(grid_.bins()));
    slice.confusions.resize(static_cast<std::size_t>(options.confusions));
    slice.of_detailed.resize(given_.detailed.size() * static_cast<std::size_t>(options.class_confusions));
  }
}

void DetailsCounter::count(const ScoreRows& rows, bool label_goes_on) {
  const auto slices = static_cast<std::int64_t>(slices_.size());
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    const std::int64_t first = rows.begin + rows.classes * slice / slices;
    const std::int64_t last = rows.begin + rows.classes * (slice + 1) / slices;
    count_slice(rows, label_goes_on, first, last, slices_[slice]);
  });
}

// The classes [first, last) of all rows: no other thread touches their counters.
void DetailsCounter::count_slice(const ScoreRows& rows, bool label_goes_on, std::int64_t first, std::int64_t last,
                                 Slice& slice) {
  if (first >= last) return;
  for (std::int64_t r = 0; r < rows.count; ++r) {
    count_row(rows, r, first, last, slice);
    const std::int32_t label = given_.labels[rows.examples[r]];
    const bool goes_on = r + 1 < rows.count ? given_.labels[rows.examples[r + 1]] == label : label_goes_on;
    if (!goes_on) finish_label(label, first, last, slice);
  }
}

void DetailsCounter::count_row(const ScoreRows& rows, std::int64_t r, std::int64_t first, std::int64_t last,
                               Slice& slice) {
  const std::int64_t example = rows.examples[r], label = given_.labels[example], bins = grid_.bins();
  const float true_score = given_.true_scores[example];
  const float* scores = rows.row(r);
  const auto excluded = given_.also_correct.of(example);
  auto next_excluded = std::lower_bound(excluded.begin(), excluded.end(), first);
  for (std::int64_t j = first; j < last; ++j) {
    if (j == label) continue;
    if (next_excluded != excluded.end() && *next_excluded == j) {
      ++next_excluded;
      continue;
    }
    const float score = scores[j - rows.begin];
    const std::int64_t bin = grid_.bin_of(score);
    ++slice.pooled_false[bin];
    if (place_of_[j] >= 0) ++false_counts_[place_of_[j] * bins + bin];
    if (!options_.thresholds.empty() && score >= options_.thresholds[j]) ++false_at_threshold_[j];
    if (score > true_score) ++above_[j];
  }
}

void DetailsCounter::finish_label(std::int32_t label, std::int64_t first, std::int64_t last, Slice& slice) {
  const std::int32_t place = place_of_[label];
  for (std::int64_t j = first; j < last; ++j) {
    if (above_[j] == 0) continue;
    const Confusion confusion{label, static_cast<std::int32_t>(j), above_[j]};
    insert_confusion(slice.confusions, confusion);
    if (place >= 0) insert_confusion(of_detailed(slice, static_cast<std::size_t>(place)), confusion);
    above_[j] = 0;
  }
}

void DetailsCounter::count_true_scores(EvaluationDetails& details) const {
  details.pooled.true_counts.resize(static_cast<std::size_t>(grid_.bins()));
  if (!options_.thresholds.empty()) details.true_at_threshold.resize(static_cast<std::size_t>(given_.classes));
  for (std::size_t i = 0; i < given_.true_scores.size(); ++i) {
    const auto label = static_cast<std::size_t>(given_.labels[i]);
    const float score = given_.true_scores[i];
    const auto bin = static_cast<std::size_t>(grid_.bin_of(score));
    ++details.pooled.true_counts[bin];
    if (place_of_[label] >= 0) ++details.classes[place_of_[label]].true_counts[bin];
    if (!options_.thresholds.empty() && score >= options_.thresholds[label]) ++details.true_at_threshold[label];
  }
}

EvaluationDetails DetailsCounter::finish() {
  EvaluationDetails details;
  const auto bins = static_cast<std::size_t>(grid_.bins());
  details.edges = grid_.edges();
  details.classes.resize(given_.detailed.size());
  for (std::size_t place = 0; place < details.classes.size(); ++place) {
    ClassDetails& one = details.classes[place];
    one.class_id = given_.detailed[place];
    one.true_counts.resize(bins);
    const auto from = false_counts_.begin() + static_cast<std::ptrdiff_t>(place * bins);
    one.false_counts.assign(from, from + static_cast<std::ptrdiff_t>(bins));
  }
  count_true_scores(details);
  details.false_at_threshold = std::move(false_at_threshold_);

  details.pooled.false_counts.resize(bins);
  details.confusions.resize(static_cast<std::size_t>(options_.confusions));
  for (ClassDetails& one : details.classes) one.confusions.resize(static_cast<std::size_t>(options_.class_confusions));
  for (Slice& slice : slices_) {
    for (std::size_t bin = 0; bin < bins; ++bin) details.pooled.false_counts[bin] += slice.pooled_false[bin];
    for (const Confusion& one : slice.confusions) insert_confusion(details.confusions, one);
    for (std::size_t place = 0; place < details.classes.size(); ++place)
      for (const Confusion& one : of_detailed(slice, place)) insert_confusion(details.classes[place].confusions, one);
  }
  const auto drop_free_places = [](std::vector<Confusion>& list) {
    std::erase_if(list, [](const Confusion& one) { return one.examples == 0; });
  };
  drop_free_places(details.confusions);
  for (ClassDetails& one : details.classes) drop_free_places(one.confusions);
  return details;
}

}  // namespace onelogit
