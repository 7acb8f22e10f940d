// Precision-recall curves, point by point, and with fewer points than a ranking has.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/ranking.h"

namespace onelogit {

// What has a score of at least `threshold`, the score of a positive.
struct CurvePoint {
  float threshold;
  std::int64_t true_positives, false_positives;

  double precision() const {
    return static_cast<double>(true_positives) / static_cast<double>(true_positives + false_positives);
  }
};

// A point for each threshold of the ranking, from the highest down: recall ascends. `thresholds`: the ascending scores
// that the ranking is by.
std::vector<CurvePoint> curve_of(const float* thresholds, const ClassRanking& ranking);

// At most `most` ≥ 6 of the points. Recall is cut into ⌊(most − 2)/4⌋ equal parts; of the points in each part the
// first, the last, the one of the lowest and the one of the highest precision stay (M4: Jugel, Jerzak, Hackenbroich and
// Markl, "M4: a visualization-oriented time series data aggregation", 2014), and so do the points that precision at
// recall 0.9 and 0.99 are read at. So every point that goes has points in its part, no further away in recall than the
// part is wide, of no higher and of no lower precision, and every peak and dip is still there.
std::vector<CurvePoint> thin_curve(const std::vector<CurvePoint>& points, std::int64_t most);

}  // namespace onelogit
