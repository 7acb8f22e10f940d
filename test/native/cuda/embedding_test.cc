#include "backend/cuda/embedding.h"

#include <doctest/doctest.h>

#include "backend/backend.h"
#include "device_array.h"
#include "random_values.h"
#include "same_bits.h"

namespace onelogit {
namespace {

using test::DeviceArray;

TEST_CASE("cuda embedding: rows of the table, bit by bit") {
  constexpr std::int32_t vocabulary = 19;
  for (const std::int64_t n : {1, 31, 33, 257})
    for (const std::int64_t columns : {1, 3, 4, 31, 32, 33, 132}) {
      CAPTURE(n);
      CAPTURE(columns);
      const std::vector<float> table = test::hostile_values(vocabulary * columns, 1);
      std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
      for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * i + 18) % vocabulary;
      const auto received = test::same_in_every_order([&] {
        DeviceArray<float> device_table(table), y(static_cast<std::size_t>(n * columns));
        DeviceArray<std::int32_t> device_ids(ids);
        cuda::embedding_forward(nullptr, device_ids.data(), device_table.data(), y.data(), n, columns);
        return std::vector<std::vector<float>>{y.host()};
      });
      std::vector<float> expected(static_cast<std::size_t>(n * columns));
      cpu_backend().embedding_forward(ids.data(), table.data(), expected.data(), n, columns);
      CHECK(std::memcmp(received[0].data(), expected.data(), expected.size() * sizeof(float)) == 0);
    }
  cuda::embedding_forward(nullptr, nullptr, nullptr, nullptr, 0, 4);
}

}  // namespace
}  // namespace onelogit
