// Which wrong classes have a higher score than the right one, and how often.
#pragma once

#include <cstdint>
#include <span>

namespace onelogit {

// Examples of class `label` for which `wrong` has the higher score.
struct Confusion {
  std::int32_t label, wrong;
  std::int64_t examples;  // 0: none, a free place in a list
};

// The most frequent first; by classes among equals, so that the order does not depend on threads.
bool more_frequent(const Confusion& a, const Confusion& b);

// Puts `confusion` where it belongs in a list of the most frequent, sorted; the last one drops out. Allocates nothing.
void insert_confusion(std::span<Confusion> most_frequent, const Confusion& confusion);

}  // namespace onelogit
