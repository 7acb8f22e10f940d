#include "model/fold.h"

#include <cmath>

namespace onelogit {
namespace {

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

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
  std::vector<float> row(static_cast<std::size_t>(inputs));
  for (std::int64_t j = 0; j < units; ++j) {
    const double s = gamma[j] / std::sqrt(static_cast<double>(variance[j]) + static_cast<double>(epsilon));
    backend.download(row.data(), dense.value[0] + j * inputs, bytes_of(inputs));
    for (float& w : row) w = static_cast<float>(s * w);
    backend.upload(weight + j * inputs, row.data(), bytes_of(inputs));
    shift[j] = static_cast<float>(s * (static_cast<double>(shift[j]) - mean[j]) + beta[j]);
  }
  backend.upload(bias, shift.data(), bytes_of(units));
}

}  // namespace onelogit
