#include "metrics/confusions.h"

#include <algorithm>
#include <tuple>

namespace onelogit {

bool more_frequent(const Confusion& a, const Confusion& b) {
  return std::tuple(-a.examples, a.label, a.wrong) < std::tuple(-b.examples, b.label, b.wrong);
}

void insert_confusion(std::span<Confusion> most_frequent, const Confusion& confusion) {
  if (most_frequent.empty() || !more_frequent(confusion, most_frequent.back())) return;
  const auto at = std::upper_bound(most_frequent.begin(), most_frequent.end(), confusion, more_frequent);
  std::move_backward(at, most_frequent.end() - 1, most_frequent.end());
  *at = confusion;
}

}  // namespace onelogit
