// Which classes stand for all wrong ones of an example, where pooled metrics are estimated from a sample.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace onelogit {

// Draws, with replacement and uniformly, from the classes of one example that are neither its label nor excluded.
class NegativeSampler {
 public:
  NegativeSampler(std::uint64_t seed, std::int64_t classes, std::int64_t per_example)
      : seed_(seed), classes_(classes), per_example_(per_example) {}

  // Appends the classes drawn for an example, ascending, and returns how many wrong classes each stands for. Where
  // there are no more than `per_example` wrong classes, these are all of them and each stands for itself. A function
  // of seed, example and its right classes alone.
  double draw(std::int64_t example, std::int32_t label, std::span<const std::int32_t> also_correct,
              std::vector<std::int32_t>& drawn);

 private:
  std::uint64_t seed_;
  std::int64_t classes_, per_example_;
  std::vector<std::int32_t> right_;  // of the example at hand, ascending
};

}  // namespace onelogit
