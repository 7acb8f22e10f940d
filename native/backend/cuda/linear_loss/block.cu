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

__global__ void scale_runs_kernel(float* x, std::int64_t size, std::int64_t run, const float* factor) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) x[i] *= factor[i / run];
}

__global__ void fill_kernel(float* x, std::int64_t size, const float* value) {
  for (std::int64_t i = first_index(); i < size; i += index_stride()) x[i] = value == nullptr ? 0.0f : *value;
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

void scale_runs(cudaStream_t stream, float* x, std::int64_t size, std::int64_t run, const float* factor) {
  if (size > 0) launch("scale", scale_runs_kernel, grid_for(size), block_threads, 0, stream, x, size, run, factor);
}

void fill(cudaStream_t stream, float* x, std::int64_t size, const float* value) {
  if (size > 0) launch("fill", fill_kernel, grid_for(size), block_threads, 0, stream, x, size, value);
}

}  // namespace onelogit::cuda
