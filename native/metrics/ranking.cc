#include "metrics/ranking.h"

#include <algorithm>

#include "backend/cpu/threads.h"
#include "error.h"

namespace onelogit {

std::int64_t distinct_ascending(float* values, std::int64_t n, std::int64_t* positives) {
  std::sort(values, values + n);
  std::int64_t distinct = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    if (i == 0 || values[i] != values[distinct - 1]) {
      positives[distinct] = 0;
      values[distinct++] = values[i];
    }
    ++positives[distinct - 1];
  }
  return distinct;
}

std::int64_t row_slices(std::int64_t m, std::int64_t k) {
  constexpr std::int64_t least_elements = 1 << 15;
  const std::int64_t worthwhile = std::max<std::int64_t>(1, m * k / least_elements);
  return std::min({static_cast<std::int64_t>(thread_count()), worthwhile, m});
}

void throw_score_is_nan(const std::string& where) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_NOT_FINITE", "Expected numbers for " + where + " but received NaN");
}

void throw_no_positives(const std::string& metric) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_NO_POSITIVES",
              "Expected at least one positive example for " + metric + " but received none");
}

}  // namespace onelogit
