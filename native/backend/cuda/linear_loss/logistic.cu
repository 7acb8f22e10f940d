// One read and one write of the block.
#include "backend/cuda/linear_loss/logistic.h"

#include <algorithm>

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"
#include "loss/binary_cross_entropy.h"
#include "loss/nce.h"

namespace onelogit::cuda {
namespace {

__global__ void logistic_block_kernel(BlockLogits block, const float* weight, const float* log_weight, float scale,
                                      double* partial) {
  double value = 0;
  for (std::int64_t i = blockIdx.y; i < block.m; i += gridDim.y) {
    const std::int64_t own = block.labels[i] - block.begin;
    for (std::int64_t j = first_index(); j < block.b; j += index_stride()) {
      float& entry = block.values[i * block.b + j];
      const float z = entry;
      if (weight == nullptr) {
        // softplus(z), less z at the label, in two parts: the large ones cancel exactly, the small one keeps its
        // digits.
        value += static_cast<double>(hinge(z)) - (j == own ? static_cast<double>(z) : 0.0) +
                 static_cast<double>(log1pf(expf(-fabsf(z))));
        entry = (j == own ? binary_cross_entropy_label_gradient(z) : sigmoid(z)) * scale;
        continue;
      }
      const float w = weight[block.begin + j];
      const float shifted = z - log_weight[block.begin + j];
      value += static_cast<double>(w) * static_cast<double>(softplus(shifted));
      float gradient = w * sigmoid(shifted);
      if (j == own) {
        const double exact = static_cast<double>(z) - static_cast<double>(log_weight[block.begin + j]);
        value += nce_label_value(exact);
        gradient = static_cast<float>(static_cast<double>(w) * sigmoid(exact) + nce_label_gradient(exact));
      }
      entry = gradient * scale;
    }
  }
  value = block_sum(value);
  if (threadIdx.x == 0) partial[static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x] = value;
}

__global__ void scale_value_kernel(double* value, double scale) { *value *= scale; }

}  // namespace

std::int64_t logistic_block(cudaStream_t stream, const BlockLogits& block, const float* weight, const float* log_weight,
                            float scale, double* partial) {
  // Four columns a thread.
  const unsigned columns = grid_for(block.b, 4 * block_threads, 128);
  const unsigned rows = static_cast<unsigned>(std::min<std::int64_t>(block.m, most_logistic_partials / columns));
  launch("logistic loss", logistic_block_kernel, dim3(columns, rows), block_threads, 0, stream, block, weight,
         log_weight, scale, partial);
  return static_cast<std::int64_t>(columns) * rows;
}

void scale_value(cudaStream_t stream, double* value, double scale) {
  launch("value", scale_value_kernel, 1, 1, 0, stream, value, scale);
}

}  // namespace onelogit::cuda
