// Right classes besides an example's label, in compressed rows: neither right nor wrong in evaluation ("filtered", as
// for knowledge graphs, where a head and a relation have several right tails).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace onelogit {

struct AlsoCorrect {
  std::vector<std::int32_t> first;    // n + 1 offsets into `classes`, or empty: no example has any
  std::vector<std::int32_t> classes;  // ascending within an example

  std::span<const std::int32_t> of(std::int64_t example) const {
    if (first.empty()) return {};
    return {classes.data() + first[example], classes.data() + first[example + 1]};
  }
};

// Throws ERR_ONELOGIT_ALSO_CORRECT unless offsets ascend from 0 to the number of classes and every row holds ascending
// classes in [0, k) without its label.
void check_also_correct(const AlsoCorrect& also_correct, const std::int32_t* labels, std::int64_t n, std::int64_t k);

}  // namespace onelogit
