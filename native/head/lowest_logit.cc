#include "head/lowest_logit.h"

#include <cmath>
#include <limits>

#include "head/logit_terms.h"

namespace onelogit {
namespace {

// The largest float32 that is not above x.
float round_down(double x) {
  constexpr float lowest = std::numeric_limits<float>::lowest();
  if (!(x > static_cast<double>(lowest))) return lowest;
  const auto nearest = static_cast<float>(x);
  return static_cast<double>(nearest) <= x ? nearest : std::nextafter(nearest, -std::numeric_limits<float>::infinity());
}

}  // namespace

float lowest_logit(const ClassMatrix& matrix, const float* features, std::int64_t c, double feature_error) {
  const LogitTerms terms = logit_terms(matrix, features, c);
  const auto d = static_cast<double>(matrix.features());
  const double roundings = std::floor(d / 16.0) + 19.0, unit = std::ldexp(roundings, -24);
  // Of 2²⁸ features on, rounding may leave nothing of a sum: no bound is known.
  if (unit >= 1.0) return std::numeric_limits<float>::lowest();
  // What the float64 sums here are off by, and what products below the normal range lose.
  const double here = std::ldexp(d + 4.0, -52), underflow = std::ldexp(d + 4.0, -149);
  return round_down(terms.logit - (unit / (1.0 - unit) + here + feature_error) * terms.magnitude - underflow);
}

}  // namespace onelogit
