// What a kernel computes must have the same bits in every run, whichever thread is first.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "device_array.h"

namespace onelogit::test {

// run() → std::vector<std::vector<T>>, from new device memory each time. Runs it in every order, and once more in the
// first; gives the result.
template <class Run>
auto same_in_every_order(Run&& run) {
  decltype(run()) first;
  for (std::size_t turn = 0; turn <= orders().size(); ++turn) {
    const NamedOrder& order = orders()[turn % orders().size()];
    cuda_host::set_order(order.order);
    auto result = run();
    cuda_host::set_order({});
    if (turn == 0) {
      first = std::move(result);
      continue;
    }
    CAPTURE(order.name);
    REQUIRE(result.size() == first.size());
    for (std::size_t r = 0; r < first.size(); ++r) {
      REQUIRE(result[r].size() == first[r].size());
      CHECK((first[r].empty() ||
             std::memcmp(result[r].data(), first[r].data(), first[r].size() * sizeof(first[r][0])) == 0));
    }
  }
  return first;
}

// The largest |a − b| / max(|b|, floor); infinite where one is finite and the other not, or they are different
// infinities.
template <class Expected>
double largest_error(const std::vector<float>& received, const std::vector<Expected>& expected, double floor) {
  double largest = received.size() == expected.size() ? 0.0 : INFINITY;
  for (std::size_t i = 0; i < received.size() && i < expected.size(); ++i) {
    const double a = received[i], b = expected[i];
    if ((std::isnan(a) && std::isnan(b)) || a == b) continue;
    const double error = std::abs(a - b) / std::max(std::abs(b), floor);
    largest = std::max(largest, std::isfinite(error) ? error : static_cast<double>(INFINITY));
  }
  return largest;
}

}  // namespace onelogit::test
