// The Principle of Logit Separation (Definition 1 of the paper): every true logit above every false one, over all pairs
// of examples.

#include <algorithm>
#include <cmath>

#include "backend/cpu/threads.h"
#include "loss/loss.h"
#include "metrics/metrics.h"
#include "metrics/ranking.h"

namespace onelogit {

Separation separation(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k) {
  // Labels index memory below: a copy, so that what was checked is what is used even if another thread writes to them.
  const std::vector<std::int32_t> own_labels(labels, labels + m);
  check_labels(own_labels.data(), m, k);
  std::vector<float> true_logits(m);
  for (std::int64_t i = 0; i < m; ++i) true_logits[i] = logits[i * k + own_labels[i]];
  for (const float logit : true_logits)
    if (std::isnan(logit)) throw_score_is_nan("logits");
  std::sort(true_logits.begin(), true_logits.end());

  struct Partial {
    double misordered = 0;
    bool nan = false;
  };
  const std::int64_t slices = row_slices(m, k);
  std::vector<Partial> partials(slices);
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    Partial partial;
    for (std::int64_t i = m * slice / slices; i < m * (slice + 1) / slices; ++i) {
      std::int64_t misordered = 0;
      for (std::int64_t j = 0; j < k; ++j) {
        const float logit = logits[i * k + j];
        partial.nan |= std::isnan(logit);
        if (j != own_labels[i] && logit >= true_logits[0]) misordered += count_not_above(true_logits.data(), m, logit);
      }
      partial.misordered += static_cast<double>(misordered);
    }
    partials[slice] = partial;
  });

  double misordered = 0;
  for (const Partial& partial : partials) {
    if (partial.nan) throw_score_is_nan("logits");
    misordered += partial.misordered;
  }
  // With one class, or no example, there is no pair: separation holds.
  const double pairs = static_cast<double>(m) * static_cast<double>(m) * static_cast<double>(k - 1);
  return {pairs > 0 ? misordered / pairs : 0, misordered == 0};
}

}  // namespace onelogit
