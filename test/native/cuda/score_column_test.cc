#include "backend/cuda/score_column.h"

#include <doctest/doctest.h>

#include "backend/backend.h"
#include "device_array.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;
using test::random_values;

std::vector<float> on_cuda(const std::vector<float>& hidden, const std::vector<float>& weight, std::int64_t m) {
  return test::same_in_every_order([&] {
    DeviceArray<float> device_hidden(hidden), device_weight(weight), out(static_cast<std::size_t>(m));
    cuda::score_column(nullptr, device_hidden.data(), device_weight.data(), 0.25f, out.data(), m,
                       static_cast<std::int64_t>(weight.size()));
    return std::vector<std::vector<float>>{out.host()};
  })[0];
}

TEST_CASE("cuda score_column: as on the CPU, a warp a row and a block a row") {
  for (const std::int64_t m : {1, 3, 33, 257})
    for (const std::int64_t d : {1, 4, 31, 32, 33, 256, 257, 2052, 2051}) {
      if ((m > 3 && d > 2000) || (m > 33 && d != 33)) continue;
      CAPTURE(m);
      CAPTURE(d);
      const std::vector<float> hidden = random_values(m * d, 1), weight = random_values(d, 2);
      std::vector<float> expected(static_cast<std::size_t>(m));
      cpu_backend().score_column(hidden.data(), weight.data(), 0.25f, expected.data(), m, d);
      CHECK(test::largest_error(on_cuda(hidden, weight, m), expected, 1.0) < 1e-5);
    }
  CHECK(on_cuda({}, {}, 3) == std::vector<float>(3, 0.25f));
}

TEST_CASE("cuda score_column: NaN and infinity stay in their rows") {
  std::vector<float> hidden = random_values(5 * 40, 3);
  hidden[1 * 40 + 39] = test::nan;
  hidden[3 * 40] = test::infinity;
  const std::vector<float> out = on_cuda(hidden, std::vector<float>(40, 1.0f), 5);
  CHECK(std::isnan(out[1]));
  CHECK(out[3] == test::infinity);
  for (const std::size_t i : {0u, 2u, 4u}) CHECK(std::isfinite(out[i]));
}

}  // namespace
}  // namespace onelogit
