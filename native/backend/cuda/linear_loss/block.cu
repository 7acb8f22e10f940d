#include "backend/cuda/linear_loss/block.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/linear_loss/arg_reduce.h"
#include "backend/cuda/reduce.h"
#include "tensor/bfloat16.h"

namespace onelogit::cuda {
namespace {

// One block of threads.
__global__ void add_partial_sums_kernel(const double* partial, std::int64_t size, double* total) {
  double sum = 0;
  for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *total += sum;
}

__global__ void take_true_logits_kernel(BlockLogits block, float* true_logit) {
  for (std::int64_t i = first_index(); i < block.m; i += index_stride()) {
    const std::int64_t j = block.labels[i] - block.begin;
    if (j >= 0 && j < block.b) true_logit[i] = block.values[i * block.b + j];
  }
}

__global__ void reset_largest_false_kernel(std::int64_t m, float* value, std::int64_t* class_id) {
  for (std::int64_t i = first_index(); i < m; i += index_stride()) {
    value[i] = -INFINITY;
    class_id[i] = -1;
  }
}

// A block of threads for a row.
__global__ void merge_largest_false_kernel(BlockLogits block, float* value, std::int64_t* class_id) {
  for (std::int64_t i = blockIdx.x; i < block.m; i += gridDim.x) {
    const float* const row = block.values + i * block.b;
    const std::int64_t own = block.labels[i] - block.begin;
    ArgMax best;
    for (std::int64_t j = threadIdx.x; j < block.b; j += blockDim.x)
      if (j != own && !(row[j] == -INFINITY)) best = merge(best, {row[j], block.begin + j});
    best = block_arg_max(best);
    if (threadIdx.x == 0) {
      best = merge({value[i], class_id[i]}, best);
      value[i] = best.value;
      class_id[i] = best.index;
    }
  }
}

// One block of threads.
__global__ void count_correct_rows_kernel(const float* true_logit, const std::int32_t* labels, const float* value,
                                          const std::int64_t* class_id, std::int64_t m, std::int64_t* correct) {
  long long count = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x)
    count += is_correct(true_logit[i], labels[i], {value[i], class_id[i]}) ? 1 : 0;
  count = block_sum(count);
  if (threadIdx.x == 0) *correct = count;
}

__device__ __forceinline__ float weight_at(const void* weight, bool bfloat16, std::int64_t at) {
  return bfloat16 ? bfloat16_to_float32(static_cast<const std::uint16_t*>(weight)[at])
                  : static_cast<const float*>(weight)[at];
}

// blockIdx.y: a row; x: its features.
__global__ void add_sparse_to_hidden_kernel(SparseEntries entries, std::int64_t m, std::int64_t d, const void* weight,
                                            bool bfloat16, float* gradient_hidden) {
  for (std::int64_t i = blockIdx.y; i < m; i += gridDim.y)
    for (std::int64_t f = first_index(); f < d; f += index_stride()) {
      float sum = gradient_hidden[i * d + f];
      const auto add = [&](std::int64_t e) {
        if (entries.coefficient[e] != 0.0f)
          sum += entries.coefficient[e] * weight_at(weight, bfloat16, entries.class_id[e] * d + f);
      };
      for (std::int64_t e = i * entries.per_row; e < (i + 1) * entries.per_row; ++e) add(e);
      for (std::int64_t e = m * entries.per_row; e < entries.size; ++e)
        if (entries.row[e] == i) add(e);
      gradient_hidden[i * d + f] = sum;
    }
}

// blockIdx.y: an entry. The first entry of a class adds those of all: they are looked for 256 at a time.
__global__ void add_sparse_to_classes_kernel(SparseEntries entries, std::int64_t d, const float* hidden,
                                             float* gradient_weight, float* gradient_bias) {
  __shared__ unsigned found[block_threads / warp_size];
  for (std::int64_t e = blockIdx.y; e < entries.size; e += gridDim.y) {
    if (entries.coefficient[e] == 0.0f) continue;  // the same for all threads
    const std::int32_t c = entries.class_id[e];
    const std::int64_t f = first_index();
    float sum = 0, bias = 0;
    bool first = true;
    for (std::int64_t base = 0; first && base < entries.size; base += block_threads) {
      const std::int64_t other = base + threadIdx.x;
      const bool same = other < entries.size && entries.class_id[other] == c && entries.coefficient[other] != 0.0f;
      const unsigned lanes = __ballot_sync(all_lanes, same);
      if (threadIdx.x % warp_size == 0) found[threadIdx.x / warp_size] = lanes;
      __syncthreads();
      for (unsigned word = 0; first && word < block_threads / warp_size; ++word)
        for (unsigned bits = found[word]; bits != 0; bits &= bits - 1) {
          const std::int64_t match = base + word * warp_size + (__ffs(static_cast<int>(bits)) - 1);
          if (match < e) {
            first = false;
            break;
          }
          const float coefficient = entries.coefficient[match];
          bias += coefficient;
          if (f < d && gradient_weight != nullptr) sum += coefficient * hidden[entries.row[match] * d + f];
        }
      __syncthreads();
    }
    if (!first) continue;
    if (f < d && gradient_weight != nullptr) gradient_weight[c * d + f] += sum;
    if (f == 0 && gradient_bias != nullptr) gradient_bias[c] += bias;
  }
}

__global__ void scale_by_kernel(float* x, std::int64_t size, const float* factor) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) x[i] *= *factor;
}

}  // namespace

void add_partial_sums(cudaStream_t stream, const double* partial, std::int64_t size, double* total) {
  launch("sum", add_partial_sums_kernel, 1, block_threads, 0, stream, partial, size, total);
}

void take_true_logits(cudaStream_t stream, const BlockLogits& block, float* true_logit) {
  launch("true logits", take_true_logits_kernel, grid_for(block.m), block_threads, 0, stream, block, true_logit);
}

void reset_largest_false(cudaStream_t stream, std::int64_t m, float* value, std::int64_t* class_id) {
  launch("largest false logits", reset_largest_false_kernel, grid_for(m), block_threads, 0, stream, m, value, class_id);
}

void merge_largest_false(cudaStream_t stream, const BlockLogits& block, float* value, std::int64_t* class_id) {
  launch("largest false logits", merge_largest_false_kernel, grid_for(block.m, 1), block_threads, 0, stream, block,
         value, class_id);
}

void count_correct_rows(cudaStream_t stream, const float* true_logit, const std::int32_t* labels, const float* value,
                        const std::int64_t* class_id, std::int64_t m, std::int64_t* correct) {
  launch("correct answers", count_correct_rows_kernel, 1, block_threads, 0, stream, true_logit, labels, value, class_id,
         m, correct);
}

void add_sparse_to_hidden(cudaStream_t stream, const SparseEntries& entries, std::int64_t m, std::int64_t d,
                          const void* weight, bool bfloat16, float* gradient_hidden) {
  launch("sparse gradient", add_sparse_to_hidden_kernel, dim3(grid_for(d), grid_for(m, 1)), block_threads, 0, stream,
         entries, m, d, weight, bfloat16, gradient_hidden);
}

void add_sparse_to_classes(cudaStream_t stream, const SparseEntries& entries, std::int64_t d, const float* hidden,
                           float* gradient_weight, float* gradient_bias) {
  if (gradient_weight == nullptr && gradient_bias == nullptr) return;
  launch("sparse gradient", add_sparse_to_classes_kernel, dim3(grid_for(d), grid_for(entries.size, 1)), block_threads,
         0, stream, entries, d, hidden, gradient_weight, gradient_bias);
}

void scale_by(cudaStream_t stream, float* x, std::int64_t size, const float* factor) {
  if (size > 0) launch("scale", scale_by_kernel, grid_for(size), block_threads, 0, stream, x, size, factor);
}

}  // namespace onelogit::cuda
