// binary-cross-entropy and nce with the exact expectation. The matrix is one run of m·k logits, cut into parts, in
// which every entry is a false class's; one block then adds the parts up and puts the labels' entries right.
//
//   bytes a logit   4 read + 4 written (value alone: 4 read); nce: 8 more read from the tables of k weights, which stay
//                   in the L2 cache
//   bytes a label   8 read, 4 written

#include "backend/cuda/loss/logistic.h"

#include <cmath>
#include <vector>

#include "backend/cuda/loss/parts.h"
#include "backend/cuda/loss/quad.h"
#include "backend/cuda/reduce.h"
#include "loss/binary_cross_entropy.h"
#include "loss/nce.h"
#include "loss/noise.h"

namespace onelogit::cuda {
namespace {

__device__ __forceinline__ void add_softplus(float x, float weight, LogisticSum& sum) {
  // softplus(−|x|) is ln(1 + e^−|x|). A NaN stays one in either.
  sum.positive += static_cast<double>(weight * hinge(x));
  sum.excess += static_cast<double>(weight * softplus(-fabsf(x)));
}

template <bool neighbours>
__global__ void binary_cross_entropy_kernel(const float* logits, Parts parts, float scale, LogisticSum* part_sum,
                                            float* gradient) {
  const Part part = parts[blockIdx.x];
  LogisticSum sum;
  for (std::int64_t begin = part.begin; begin < part.end; begin += quads_length()) {
    const auto quad = Quad<neighbours>::from(begin);
    float z[quad_size], g[quad_size];
    quad.load(logits, part.end, -INFINITY, z);  // softplus(−∞) = 0
    for (int c = 0; c < quad_size; ++c) {
      add_softplus(z[c], 1.0f, sum);
      g[c] = sigmoid(z[c]) * scale;
    }
    if (gradient != nullptr) quad.store(gradient, part.end, g);
  }
  sum = {block_sum(sum.positive), block_sum(sum.excess)};
  if (threadIdx.x == 0) part_sum[blockIdx.x] = sum;
}

// Columns are kept, not computed anew for every logit: a remainder of 64 bits costs more than the loss.
template <bool neighbours>
__global__ void exact_nce_kernel(const float* logits, std::int64_t k, Parts parts, float scale, const float* weight,
                                 const float* log_weight, LogisticSum* part_sum, float* gradient) {
  const Part part = parts[blockIdx.x];
  LogisticSum sum;
  const std::int64_t column_step = quads_length() % k;
  std::int64_t column[quad_size];  // of neighbours, where k is a multiple of quad_size, only the first is needed
  for (int c = 0; c < quad_size; ++c) column[c] = Quad<neighbours>::from(part.begin).at(c) % k;
  for (std::int64_t begin = part.begin; begin < part.end; begin += quads_length()) {
    const auto quad = Quad<neighbours>::from(begin);
    float z[quad_size], w[quad_size], log_w[quad_size], g[quad_size];
    quad.load(logits, part.end, -INFINITY, z);
    if constexpr (neighbours) {
      Quad<true>{column[0]}.load(weight, k, 0.0f, w);
      Quad<true>{column[0]}.load(log_weight, k, 0.0f, log_w);
    } else {
      for (int c = 0; c < quad_size; ++c) {
        w[c] = weight[column[c]];
        log_w[c] = log_weight[column[c]];
      }
    }
    for (int c = 0; c < quad_size; ++c) {
      const float x = z[c] - log_w[c];
      add_softplus(x, w[c], sum);
      g[c] = sigmoid(x) * (w[c] * scale);
      column[c] += column_step;
      if (column[c] >= k) column[c] -= k;
    }
    if (gradient != nullptr) quad.store(gradient, part.end, g);
  }
  sum = {block_sum(sum.positive), block_sum(sum.excess)};
  if (threadIdx.x == 0) part_sum[blockIdx.x] = sum;
}

// One block. weight and log_weight: null for binary-cross-entropy.
__global__ void logistic_labels_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                       std::int64_t parts, double scale, const float* weight, const float* log_weight,
                                       const LogisticSum* part_sum, double* value, float* gradient) {
  LogisticSum sum;
  for (std::int64_t p = threadIdx.x; p < parts; p += blockDim.x) {
    sum.positive += part_sum[p].positive;
    sum.excess += part_sum[p].excess;
  }
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    const std::int64_t y = labels[i], at = i * k + y;
    const auto true_logit = static_cast<double>(logits[at]);
    double of_label;
    if (weight == nullptr) {
      sum.positive -= true_logit;
      of_label = binary_cross_entropy_label_gradient(true_logit);
    } else {
      const double shifted = true_logit - static_cast<double>(log_weight[y]);
      sum.excess += nce_label_value(shifted);
      of_label = static_cast<double>(weight[y]) * sigmoid(shifted) + nce_label_gradient(shifted);
    }
    if (gradient != nullptr) gradient[at] = static_cast<float>(of_label * scale);
  }
  const double positive = block_sum(sum.positive), excess = block_sum(sum.excess);
  if (threadIdx.x == 0) *value = (positive + excess) * scale;
}

}  // namespace

LogisticLoss::LogisticLoss(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t)
    : mean_(spec.reduction == Reduction::mean), classes_(classes), part_sum_(most_parts, "a loss") {
  if (spec.kind != LossKind::nce) return;
  const double ratio = noise_ratio(spec, classes);
  std::vector<float> weight, log_weight;
  for (const double q : noise_distribution(spec, classes)) {
    weight.push_back(static_cast<float>(ratio * q));
    log_weight.push_back(static_cast<float>(std::log(ratio) + std::log(q)));
  }
  weight_ = to_device(stream, weight.data(), weight.size(), "a loss");
  log_weight_ = to_device(stream, log_weight.data(), log_weight.size(), "a loss");
}

void LogisticLoss::value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels,
                                      std::int64_t m, const StepValues*, double* value, float* gradient) {
  const std::int64_t k = classes_;
  const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
  const Parts parts = cut(m * k);
  const auto blocks = static_cast<unsigned>(parts.per_run);
  if (weight_.size() == 0)
    launch(
        "logistic_loss",
        quads_are_aligned(logits, gradient, 0) ? binary_cross_entropy_kernel<true> : binary_cross_entropy_kernel<false>,
        blocks, block_threads, 0, stream, logits, parts, scale, part_sum_.data(), gradient);
  else
    launch("logistic_loss", quads_are_aligned(logits, gradient, k) ? exact_nce_kernel<true> : exact_nce_kernel<false>,
           blocks, block_threads, 0, stream, logits, k, parts, scale, weight_.data(), log_weight_.data(),
           part_sum_.data(), gradient);
  launch("logistic_loss", logistic_labels_kernel, 1, block_threads, 0, stream, logits, labels, m, k, parts.per_run,
         scale, weight_.data(), log_weight_.data(), part_sum_.data(), value, gradient);
}

}  // namespace onelogit::cuda
