#include "backend/cuda/linear_loss/sampled_nce.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"
#include "loss/nce.h"
#include "tensor/bfloat16.h"

namespace onelogit::cuda {
namespace {

// The class matrix, of either type.
struct ClassMatrix {
  const void* weight;
  const float* bias;  // k, or null
  bool bfloat16;
  std::int64_t d;

  __device__ __forceinline__ float at(std::int64_t row, std::int64_t column) const {
    const std::int64_t n = row * d + column;
    return bfloat16 ? bfloat16_to_float32(static_cast<const std::uint16_t*>(weight)[n])
                    : static_cast<const float*>(weight)[n];
  }
};
ClassMatrix class_matrix(const LinearLossArguments& arguments) {
  return {arguments.weight, arguments.bias, arguments.weight_type == WeightType::bfloat16, arguments.d};
}

// A thread for two draws.
__global__ void draw_classes_kernel(NoiseTables noise, const StepValues* step, std::int64_t count,
                                    std::int32_t* classes) {
  for (std::int64_t pair = first_index(); 2 * pair < count; pair += index_stride()) {
    const NoisePair both = noise_pair(noise, step->number, static_cast<std::uint64_t>(pair));
    classes[2 * pair] = noise_class(noise, both.random[0]);
    if (2 * pair + 1 < count) classes[2 * pair + 1] = noise_class(noise, both.random[1]);
  }
}

// blockIdx.y: a row; x: its features.
__global__ void gather_rows_kernel(ClassMatrix matrix, const std::int32_t* classes, std::int64_t n, float* to) {
  for (std::int64_t row = blockIdx.y; row < n; row += gridDim.y)
    for (std::int64_t f = first_index(); f < matrix.d; f += index_stride())
      to[row * matrix.d + f] = matrix.at(classes[row], f);
}

// A draw's logit → its gradient; its value is added to `total`.
__device__ __forceinline__ float draw_gradient(const DrawTerms& terms, std::int32_t j, std::int32_t label, float logit,
                                               double& total) {
  if (terms.remove_accidental_hits && j == label) return 0.0f;
  const float x = logit - noise_log_weight(terms.noise, j);
  total += static_cast<double>(terms.weight * softplus(x));
  return terms.weight * terms.scale * sigmoid(x);
}

// A block for an example.
__global__ void shared_draws_kernel(ClassMatrix matrix, const std::int32_t* labels, std::int64_t m, DrawTerms terms,
                                    const std::int32_t* classes, std::int64_t n, float* logits, double* row_value) {
  for (std::int64_t i = blockIdx.x; i < m; i += gridDim.x) {
    double total = 0;
    for (std::int64_t s = threadIdx.x; s < n; s += blockDim.x) {
      const std::int32_t j = classes[s];
      float& logit = logits[i * n + s];
      logit = draw_gradient(terms, j, labels[i], logit + (matrix.bias == nullptr ? 0.0f : matrix.bias[j]), total);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) row_value[i] += total;
  }
}

// A block for an example, a warp for a logit.
__global__ void single_logits_kernel(ClassMatrix matrix, const float* hidden, const std::int32_t* labels,
                                     std::int64_t m, DrawTerms terms, const std::int32_t* classes, std::int64_t draws,
                                     float* coefficient, double* row_value) {
  const unsigned warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size, warps = blockDim.x / warp_size;
  for (std::int64_t i = blockIdx.x; i < m; i += gridDim.x) {
    double total = 0;
    for (std::int64_t s = warp; s <= draws; s += warps) {
      const bool is_label = s == draws;
      const std::int32_t j = is_label ? labels[i] : classes[i * draws + s];
      float logit = 0;
      for (std::int64_t f = lane; f < matrix.d; f += warp_size) logit += hidden[i * matrix.d + f] * matrix.at(j, f);
      logit = warp_reduce(logit, Sum());
      if (lane != 0) continue;
      if (matrix.bias != nullptr) logit += matrix.bias[j];
      if (is_label) {
        const double shifted = static_cast<double>(logit) - static_cast<double>(noise_log_weight(terms.noise, j));
        total += nce_label_value(shifted);
        coefficient[m * draws + i] = static_cast<float>(nce_label_gradient(shifted)) * terms.scale;
      } else {
        coefficient[i * draws + s] = draw_gradient(terms, j, labels[i], logit, total);
      }
    }
    total = block_sum(total);
    if (threadIdx.x == 0) row_value[i] += total;
  }
}

}  // namespace

void draw_classes(cudaStream_t stream, const NoiseTables& noise, const StepValues* step, std::int64_t count,
                  std::int32_t* classes) {
  launch("nce", draw_classes_kernel, grid_for((count + 1) / 2), block_threads, 0, stream, noise, step, count, classes);
}

void gather_rows(cudaStream_t stream, const LinearLossArguments& arguments, const std::int32_t* classes, std::int64_t n,
                 float* to) {
  launch("nce", gather_rows_kernel, dim3(grid_for(arguments.d), grid_for(n, 1)), block_threads, 0, stream,
         class_matrix(arguments), classes, n, to);
}

void shared_draws(cudaStream_t stream, const LinearLossArguments& arguments, const DrawTerms& terms,
                  const std::int32_t* classes, std::int64_t n, float* logits, double* row_value) {
  launch("nce", shared_draws_kernel, grid_for(arguments.m, 1), block_threads, 0, stream, class_matrix(arguments),
         arguments.labels, arguments.m, terms, classes, n, logits, row_value);
}

void single_logits(cudaStream_t stream, const LinearLossArguments& arguments, const DrawTerms& terms,
                   const std::int32_t* classes, std::int64_t draws, float* coefficient, double* row_value) {
  launch("nce", single_logits_kernel, grid_for(arguments.m, 1), block_threads, 0, stream, class_matrix(arguments),
         arguments.hidden, arguments.labels, arguments.m, terms, classes, draws, coefficient, row_value);
}

}  // namespace onelogit::cuda
