// How much the trunk's rounding moves logits: matrix products of a batch add in another order than those of one
// example, so the features of an example that is asked about alone are not those it had among others.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "head/class_matrix.h"
#include "head/trunk.h"

namespace onelogit {

// No useful bound is known for a network, so this is measured, on evenly spaced examples, 16 to 256 of them: a 64th of
// all, so that the passes of one example cost little beside the others.
class FeatureError {
 public:
  FeatureError(const Trunk& trunk, const ClassMatrix& matrix, std::int64_t examples);

  // Examples first … first + count, with the features that they have among others, count×d, and their classes.
  // False when `cancelled`.
  bool look_at(std::int64_t first, std::int64_t count, const void* inputs, ExampleType type, const float* features,
               const std::int32_t* classes, const std::atomic<bool>& cancelled);

  // Four times the largest difference that was seen, as a share of |s| Σ |w_j h_j| + |b|: the examples that were not
  // looked at, and other processors, may round worse. 0 without a trunk.
  double value() const { return 4.0 * largest_; }

 private:
  const Trunk& trunk_;
  const ClassMatrix& matrix_;
  std::int64_t examples_, looked_at_;
  Trunk::Scratch scratch_;
  std::vector<float> alone_;  // features of an example by itself
  double largest_ = 0;
};

}  // namespace onelogit
