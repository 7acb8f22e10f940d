// The seven losses in plain float64, written down from their definitions with no attempt at speed: what the kernels are
// compared with. The value alone can be differentiated numerically; the gradient is the formula, lowest flat index on
// ties.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "loss/loss.h"

namespace onelogit::reference {

struct Result {
  double value = 0;
  std::vector<double> gradient;
};

inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
inline double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// For sampled nce: draws[i] are the classes drawn for example i. Empty for every other loss.
using Draws = std::vector<std::vector<std::int32_t>>;

inline Result loss(const LossSpec& spec, const std::vector<double>& z, const std::vector<std::int32_t>& labels,
                   std::int64_t k, const Draws& draws = {}) {
  const auto m = static_cast<std::int64_t>(labels.size());
  const double scale = spec.reduction == Reduction::mean ? 1.0 / static_cast<double>(m) : 1.0;
  const double infinity = std::numeric_limits<double>::infinity();
  Result result;
  result.gradient.assign(z.size(), 0.0);
  std::vector<double>& g = result.gradient;

  if (spec.kind == LossKind::batch_cross_entropy) {
    const double top = *std::max_element(z.begin(), z.end());
    double sum = 0, truths = 0;
    for (const double value : z) sum += std::exp(value - top);
    for (std::size_t n = 0; n < z.size(); ++n) g[n] = std::exp(z[n] - top) / sum;
    for (std::int64_t i = 0; i < m; ++i) {
      truths += z[i * k + labels[i]] - top;
      g[i * k + labels[i]] -= 1.0 / static_cast<double>(m);
    }
    result.value = std::log(sum) - truths / static_cast<double>(m) - std::log(static_cast<double>(m));
    return result;
  }

  double batch_true = infinity, batch_false = -infinity;
  std::int64_t batch_true_at = 0, batch_false_at = 0;
  for (std::int64_t i = 0; i < m; ++i) {
    const std::int64_t row = i * k, at = row + labels[i];
    switch (spec.kind) {
      case LossKind::cross_entropy:
      case LossKind::self_normalization: {
        const double top = *std::max_element(z.begin() + row, z.begin() + row + k);
        double sum = 0;
        for (std::int64_t j = 0; j < k; ++j) sum += std::exp(z[row + j] - top);
        const double lse = top + std::log(sum);
        const double alpha = spec.kind == LossKind::self_normalization ? static_cast<double>(spec.alpha) : 0.0;
        result.value += scale * ((top - z[at]) + std::log(sum) + alpha * lse * lse);
        for (std::int64_t j = 0; j < k; ++j)
          g[row + j] = scale * (1 + 2 * alpha * lse) * std::exp(z[row + j] - top) / sum;
        g[at] -= scale;
        break;
      }
      case LossKind::binary_cross_entropy:
        for (std::int64_t j = 0; j < k; ++j) {
          result.value += scale * softplus(row + j == at ? -z[at] : z[row + j]);
          g[row + j] = scale * (row + j == at ? -sigmoid(-z[at]) : sigmoid(z[row + j]));
        }
        break;
      case LossKind::nce: {
        const std::vector<double> q = noise_distribution(spec, k);
        const auto sampled = static_cast<double>(spec.num_sampled);
        const double t = spec.noise_ratio > 0 ? spec.noise_ratio : sampled > 0 ? sampled : static_cast<double>(k);
        const auto shifted = [&](std::int64_t j) { return z[row + j] - std::log(t * q[j]); };
        if (spec.num_sampled == 0) {
          for (std::int64_t j = 0; j < k; ++j) {
            result.value += scale * t * q[j] * softplus(shifted(j));
            g[row + j] += scale * t * q[j] * sigmoid(shifted(j));
          }
        } else {
          for (const std::int32_t j : draws[i]) {
            if (spec.remove_accidental_hits && j == labels[i]) continue;
            result.value += scale * t / sampled * softplus(shifted(j));
            g[row + j] += scale * t / sampled * sigmoid(shifted(j));
          }
        }
        result.value += scale * softplus(-shifted(labels[i]));
        g[at] -= scale * sigmoid(-shifted(labels[i]));
        break;
      }
      case LossKind::max_margin:
      case LossKind::batch_max_margin: {
        std::int64_t best = row == at ? row + 1 : row;
        for (std::int64_t n = row; n < row + k; ++n)
          if (n != at && z[n] > z[best]) best = n;
        const double hinge = static_cast<double>(spec.margin) - z[at] + z[best];
        if (hinge > 0) {
          result.value += scale * hinge;
          g[at] -= scale;
          g[best] += scale;
        }
        if (z[at] < batch_true) batch_true = z[at], batch_true_at = at;
        if (z[best] > batch_false) batch_false = z[best], batch_false_at = best;
        break;
      }
      default:
        break;
    }
  }
  if (spec.kind == LossKind::batch_max_margin) {
    const double hinge = static_cast<double>(spec.margin) - batch_true + batch_false;
    if (hinge > 0) {
      result.value += scale * hinge;
      g[batch_true_at] -= scale;
      g[batch_false_at] += scale;
    }
  }
  return result;
}

}  // namespace onelogit::reference
