// A block of scores with the examples that its rows are about.
#pragma once

#include <cstdint>

namespace onelogit {

struct ScoreRows {
  const std::int64_t* examples;
  std::int64_t count;    // examples
  std::int64_t begin;    // first class
  std::int64_t classes;  // and how many
  float* scores;         // count×classes

  std::int64_t end() const { return begin + classes; }
  float* row(std::int64_t r) const { return scores + r * classes; }
  bool holds(std::int64_t class_id) const { return class_id >= begin && class_id < begin + classes; }
};

}  // namespace onelogit
