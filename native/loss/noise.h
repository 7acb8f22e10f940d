// The noise distribution q of sampled nce: draws with replacement, and ln(t q_j) of a class.
//
// Draw number n of step s is a function of (seed, s, n) alone, so it is the same for any thread count and on any
// device. Uniform and log-uniform have closed forms; given weights (and unigram counts) use Walker's alias table, which
// Vose's method builds in O(k): one draw is one table look-up whatever the distribution is.
#pragma once

#include <cstdint>
#include <vector>

#include "loss/loss.h"
#include "loss/noise_draw.h"

namespace onelogit {

// t: `noise_ratio`, or its default, num_sampled, or k when the expectation is exact.
double noise_ratio(const LossSpec& spec, std::int64_t classes);

class NoiseSampler {
 public:
  // Throws as noise_distribution does.
  NoiseSampler(const LossSpec& spec, std::int64_t classes);

  std::int32_t draw(std::uint64_t step, std::uint64_t number) const;
  // Draws first … first + count − 1 of a step: half the generator's work of as many calls of draw.
  void draws(std::uint64_t step, std::uint64_t first, std::int64_t count, std::int32_t* out) const;
  // ln(t q_j)
  float log_weight(std::int32_t j) const { return log_weights_.empty() ? scalars_.log_weight : log_weights_[j]; }

  // What the draws are made from: k log weights and k columns, or null where there are none. Points into this sampler.
  NoiseTables tables() const {
    NoiseTables tables = scalars_;
    if (!log_weights_.empty()) tables.log_weights = log_weights_.data();
    if (!columns_.empty()) tables.columns = columns_.data();
    return tables;
  }

 private:
  NoiseTables scalars_;  // without the tables
  std::vector<float> log_weights_;
  std::vector<NoiseColumn> columns_;
};

}  // namespace onelogit
