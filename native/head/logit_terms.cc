#include "head/logit_terms.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/kernels/bfloat16.h"

namespace onelogit {
namespace {

// Pieces that are converted at a time, of a row that is not float32.
constexpr std::int64_t piece = 256;

void add_products(const float* features, const float* row, std::int64_t n, double& sum, double& magnitude) {
  // Several sums side by side: one would wait for each of its additions.
  constexpr std::int64_t together = 8;
  double sums[together] = {}, magnitudes[together] = {};
  std::int64_t j = 0;
  for (; j + together <= n; j += together)
    for (std::int64_t q = 0; q < together; ++q) {
      const double product = static_cast<double>(features[j + q]) * static_cast<double>(row[j + q]);
      sums[q] += product;
      magnitudes[q] += std::abs(product);
    }
  for (; j < n; ++j) {
    const double product = static_cast<double>(features[j]) * static_cast<double>(row[j]);
    sums[0] += product;
    magnitudes[0] += std::abs(product);
  }
  for (std::int64_t q = 0; q < together; ++q) {
    sum += sums[q];
    magnitude += magnitudes[q];
  }
}

}  // namespace

LogitTerms logit_terms(const ClassMatrix& matrix, const float* features, std::int64_t c) {
  const std::int64_t d = matrix.features();
  double sum = 0, magnitude = 0;
  if (matrix.storage() == ClassStorage::float32) {
    const auto* const row = static_cast<const float*>(matrix.row(c));
    add_products(features, row, d, sum, magnitude);
  } else {
    float row[piece];
    for (std::int64_t first = 0; first < d; first += piece) {
      const std::int64_t n = std::min(piece, d - first);
      if (matrix.storage() == ClassStorage::bfloat16)
        bfloat16_kernels().to_float32(static_cast<const std::uint16_t*>(matrix.row(c)) + first, n, row);
      else
        std::copy_n(static_cast<const std::int8_t*>(matrix.row(c)) + first, n, row);
      add_products(features + first, row, n, sum, magnitude);
    }
  }
  const double scale = matrix.scale_data() == nullptr ? 1.0 : static_cast<double>(matrix.scale_data()[c]);
  const auto bias = static_cast<double>(matrix.bias(c));
  return {scale * sum + bias, std::abs(scale) * magnitude + std::abs(bias)};
}

}  // namespace onelogit
