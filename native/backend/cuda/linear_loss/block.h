// What every fused last layer does with the logits of a block of classes (m×b, row-major), whatever the loss. All
// pointers are device memory; `begin` is the first class of the block. Launchers; the kernels are in block.cu.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

// Logits of one block of classes and whose they are.
struct BlockLogits {
  float* values;  // m×b
  std::int64_t m, b;
  const std::int32_t* labels;  // m
  std::int64_t begin;
};

// Entries of the gradient with respect to the logits, where it is sparse: row i has entries [i·per_row, (i +
// 1)·per_row), those from m·per_row on are of any row. A coefficient of 0 is no entry.
struct SparseEntries {
  const std::int32_t* row;
  const std::int32_t* class_id;
  const float* coefficient;
  std::int64_t per_row, size;
};

// true_logit[i] of the rows whose label is in the block.
void take_true_logits(cudaStream_t stream, const BlockLogits& block, float* true_logit);

// The largest logit of a row that is not its label's, over the blocks so far: value and class (lowest on ties; −1: none
// above −∞). NaN stays.
void reset_largest_false(cudaStream_t stream, std::int64_t m, float* value, std::int64_t* class_id);
void merge_largest_false(cudaStream_t stream, const BlockLogits& block, float* value, std::int64_t* class_id);
// *correct = rows whose label has the largest logit, the lowest class on ties; rows with a NaN are wrong.
void count_correct_rows(cudaStream_t stream, const float* true_logit, const std::int32_t* labels, const float* value,
                        const std::int64_t* class_id, std::int64_t m, std::int64_t* correct);

// gradient_hidden (m×d) += Σ entries: coefficient · weight row. Weight float32, or bfloat16 if `bfloat16`.
void add_sparse_to_hidden(cudaStream_t stream, const SparseEntries& entries, std::int64_t m, std::int64_t d,
                          const void* weight, bool bfloat16, float* gradient_hidden);

// *total += the partial sums, always in the same order.
void add_partial_sums(cudaStream_t stream, const double* partial, std::int64_t size, double* total);

// x[i] *= factor[i / run]
void scale_runs(cudaStream_t stream, float* x, std::int64_t size, std::int64_t run, const float* factor);
// Every element becomes *value, or 0 for null.
void fill(cudaStream_t stream, float* x, std::int64_t size, const float* value);

}  // namespace onelogit::cuda
