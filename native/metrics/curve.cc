#include "metrics/curve.h"

#include <algorithm>

namespace onelogit {

std::vector<CurvePoint> curve_of(const float* thresholds, const ClassRanking& ranking) {
  std::vector<CurvePoint> points;
  points.reserve(static_cast<std::size_t>(ranking.thresholds));
  std::int64_t true_positives = 0, false_positives = 0;
  for (std::int64_t t = ranking.thresholds; t-- > 0;) {
    true_positives += ranking.positives[t];
    false_positives += ranking.examples[t] - ranking.positives[t];
    points.push_back({thresholds[t], true_positives, false_positives});
  }
  return points;
}

std::vector<CurvePoint> thin_curve(const std::vector<CurvePoint>& points, std::int64_t most) {
  const auto count = static_cast<std::int64_t>(points.size());
  if (count <= most) return points;
  const std::int64_t parts = (most - 2) / 4, positives = points.back().true_positives;
  std::vector<std::int64_t> kept;
  for (std::int64_t first = 0; first < count;) {
    const auto part_of = [&](std::int64_t i) { return (points[i].true_positives - 1) * parts / positives; };
    std::int64_t last = first, lowest = first, highest = first;
    for (std::int64_t i = first; i < count && part_of(i) == part_of(first); ++i) {
      last = i;
      if (points[i].precision() < points[lowest].precision()) lowest = i;
      if (points[i].precision() > points[highest].precision()) highest = i;
    }
    kept.insert(kept.end(), {first, lowest, highest, last});
    first = last + 1;
  }
  for (const double recall : {0.9, 0.99}) {
    const auto reached = std::find_if(points.begin(), points.end(), [&](const CurvePoint& point) {
      return static_cast<double>(point.true_positives) / static_cast<double>(positives) >= recall;
    });
    kept.push_back(reached - points.begin());
  }
  std::sort(kept.begin(), kept.end());
  kept.erase(std::unique(kept.begin(), kept.end()), kept.end());
  std::vector<CurvePoint> thinned;
  thinned.reserve(kept.size());
  for (const std::int64_t i : kept) thinned.push_back(points[i]);
  return thinned;
}

}  // namespace onelogit
