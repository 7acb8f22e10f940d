#include "model/fold.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tensor/buffer.h"

namespace onelogit {
namespace {

constexpr std::int64_t elements_at_once = 1 << 20;

std::vector<float> downloaded(Backend& backend, const float* device, std::int64_t size) {
  std::vector<float> host(static_cast<std::size_t>(size));
  backend.download(host.data(), device, bytes_of(size));
  return host;
}

}  // namespace

void fold_batch_norm(Backend& backend, const LayerTensors& dense, const LayerTensors& batch_norm, float epsilon,
                     std::int64_t units, std::int64_t inputs, float* weight, float* bias) {
  const auto& bn = batch_norm.value;
  const std::vector<float> gamma = downloaded(backend, bn[0], units), beta = downloaded(backend, bn[1], units),
                           mean = downloaded(backend, bn[2], units), variance = downloaded(backend, bn[3], units);
  std::vector<float> shift(static_cast<std::size_t>(units), 0.0f);
  if (dense.value.size() > 1) shift = downloaded(backend, dense.value[1], units);
  // Rows at a time: on a device every transfer waits.
  const std::int64_t most = std::clamp<std::int64_t>(elements_at_once / inputs, 1, units);
  std::vector<float> rows(static_cast<std::size_t>(most * inputs));
  for (std::int64_t first = 0; first < units; first += most) {
    const std::int64_t count = std::min(most, units - first);
    backend.download(rows.data(), dense.value[0] + first * inputs, bytes_of(count * inputs));
    for (std::int64_t j = first; j < first + count; ++j) {
      const double s = gamma[j] / std::sqrt(static_cast<double>(variance[j]) + static_cast<double>(epsilon));
      float* const row = rows.data() + (j - first) * inputs;
      for (std::int64_t l = 0; l < inputs; ++l) row[l] = static_cast<float>(s * row[l]);
      shift[j] = static_cast<float>(s * (static_cast<double>(shift[j]) - mean[j]) + beta[j]);
    }
    backend.upload(weight + first * inputs, rows.data(), bytes_of(count * inputs));
  }
  backend.upload(bias, shift.data(), bytes_of(units));
}

}  // namespace onelogit
