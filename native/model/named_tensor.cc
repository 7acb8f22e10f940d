#include "model/named_tensor.h"

#include <algorithm>
#include <vector>

#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

constexpr std::int64_t piece = 1 << 20;  // elements converted at a time

}  // namespace

void download_float32(Backend& backend, const NamedTensor& tensor, std::int64_t first, std::int64_t count, float* out) {
  if (tensor.type == WeightType::float32)
    return backend.download(out, tensor.values() + first, static_cast<std::size_t>(count) * sizeof(float));
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(std::min(count, piece)));
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    const std::int64_t n = std::min(piece, count - begin);
    backend.download(bits.data(), static_cast<const std::uint16_t*>(tensor.data) + first + begin,
                     static_cast<std::size_t>(n) * sizeof(std::uint16_t));
    bfloat16_to_float32(bits.data(), n, out + begin);
  }
}

void upload_float32(Backend& backend, const NamedTensor& tensor, std::int64_t first, std::int64_t count,
                    const float* values) {
  if (tensor.type == WeightType::float32)
    return backend.upload(tensor.values() + first, values, static_cast<std::size_t>(count) * sizeof(float));
  std::vector<std::uint16_t> bits(static_cast<std::size_t>(std::min(count, piece)));
  for (std::int64_t begin = 0; begin < count; begin += piece) {
    const std::int64_t n = std::min(piece, count - begin);
    std::transform(values + begin, values + begin + n, bits.begin(), [](float x) { return float32_to_bfloat16(x); });
    backend.upload(static_cast<std::uint16_t*>(tensor.data) + first + begin, bits.data(),
                   static_cast<std::size_t>(n) * sizeof(std::uint16_t));
  }
}

}  // namespace onelogit
