// Equal bins over a range of scores, whose bounds are round numbers: for histograms that people read, and thresholds
// that they choose among.
#pragma once

#include <cstdint>
#include <vector>

namespace onelogit {

class ScoreGrid {
 public:
  // Covers least … greatest (finite, least ≤ greatest) by at most `most_bins` ≥ 4 bins. Their width is 1, 2 or 5 times
  // a power of ten, and bounds are multiples of it; it is wider where floats of this magnitude are further apart.
  ScoreGrid(float least, float greatest, std::int64_t most_bins);

  std::int64_t bins() const { return static_cast<std::int64_t>(edges_.size()) - 1; }
  // bins + 1 bounds, ascending. They are floats, so that "score ≥ bound" means the same everywhere.
  const std::vector<float>& edges() const { return edges_; }
  // The bin b with edges[b] ≤ score < edges[b + 1]. The outer bins also hold what is beyond them, infinity included.
  std::int64_t bin_of(float score) const {
    const std::int64_t last = bins() - 1;
    const double at = (static_cast<double>(score) - origin_) * bins_per_unit_;
    std::int64_t bin = at > 0 ? (at < static_cast<double>(last) ? static_cast<std::int64_t>(at) : last) : 0;
    // Bounds were rounded to floats, `at` was not.
    while (bin > 0 && score < edges_[bin]) --bin;
    while (bin < last && score >= edges_[bin + 1]) ++bin;
    return bin;
  }

 private:
  std::vector<float> edges_;
  double origin_, bins_per_unit_;
};

}  // namespace onelogit
