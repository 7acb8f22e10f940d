// What the memory gives: bytes read and written a second by a copy on the device.
#include "measure.h"

namespace onelogit::bench {

void copy(bool) {
  const std::size_t bytes = std::size_t{4} << 30;
  const cuda::DeviceBuffer<std::byte> from(bytes, "the source"), to(bytes, "the copy");
  cuda::check(cudaMemset(from.data(), 1, bytes), "the source");
  const auto times = alternate(
      nullptr, {[&] {
        cuda::check(cudaMemcpyAsync(to.data(), from.data(), bytes, cudaMemcpyDeviceToDevice, nullptr), "a copy");
      }});
  Line("copy")
      .number("bytes", 2.0 * static_cast<double>(bytes))
      .seconds("seconds", times[0])
      .number("bytesPerSecond", 2.0 * static_cast<double>(bytes) / times[0].median);
}

}  // namespace onelogit::bench
