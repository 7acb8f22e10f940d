// Where evaluation gets scores from, a block of examples × classes at a time: the whole matrix of a million classes
// would not fit.
#pragma once

#include <cstdint>

namespace onelogit {

class ScoreBlocks {
 public:
  virtual ~ScoreBlocks() = default;
  virtual std::int64_t examples() const = 0;
  virtual std::int64_t classes() const = 0;
  // The `count` examples that `scores` is about until the next call.
  virtual void choose(const std::int64_t* examples, std::int64_t count) = 0;
  // Scores of the chosen examples for the classes [begin, begin + classes): row-major, one row per example, in host
  // memory that the caller may overwrite, until the next call. Asked again for the same, it gives the same bits.
  virtual float* scores(std::int64_t begin, std::int64_t classes) = 0;
};

}  // namespace onelogit
