// cross-entropy, self-normalization and batch-cross-entropy on blocks of logits.
#pragma once

#include "backend/cuda/linear_loss/block.h"

namespace onelogit::cuda {

// What the rows' normalisers come to: M and S of the rows, device memory of m each.
struct RowStates {
  float* maximum;
  double* sum;
};

void reset_row_states(cudaStream_t stream, const RowStates& states, std::int64_t m);
// Merges the block into the states of its rows.
void merge_row_states(cudaStream_t stream, const BlockLogits& block, const RowStates& states);
// *value and, of each row, what exp(z − M) is multiplied by in the gradient, and the gradient at the label.
// `self_normalization` with its alpha, else cross-entropy. `scale` is 1/m, or 1 for a sum.
void finish_rows(cudaStream_t stream, const RowStates& states, const float* true_logit, std::int64_t m,
                 bool self_normalization, double alpha, double scale, double* value, float* factor,
                 float* label_gradient);
// The same for batch-cross-entropy: the batch's normaliser in place of every row's.
void finish_rows_as_batch(cudaStream_t stream, const RowStates& states, const float* true_logit, std::int64_t m,
                          double* value, float* factor, float* label_gradient);
// Replaces the logits by their gradient.
void row_gradients(cudaStream_t stream, const BlockLogits& block, const float* maximum, const float* factor,
                   const float* label_gradient);

// batch-cross-entropy in one pass: the state of the batch so far, with what the sums made before have to be multiplied
// by now.
struct BatchState {
  float maximum;
  float rescale;  // exp(M before − M)
  double sum;
};
constexpr std::int64_t most_batch_partials = 16384;

void reset_batch_state(cudaStream_t stream, BatchState* state);
// Replaces the logits by exp(z − M), M with this block in it, and by 0 at the labels; *block_maximum = M.
// `partial_maximum` and `partial_sum` have room for most_batch_partials.
void exponentiate_block(cudaStream_t stream, const BlockLogits& block, BatchState* state, float* block_maximum,
                        float* partial_maximum, double* partial_sum);
// x *= state->rescale
void rescale(cudaStream_t stream, float* x, std::int64_t size, const BatchState* state);
// After the last block: *value, the gradients at the labels, what the hidden sums (1/S) and each block's class
// gradients (exp(M_b − M)/S) have to be multiplied by.
void finish_batch(cudaStream_t stream, const BatchState* state, const float* true_logit, std::int64_t m,
                  const float* block_maximum, std::int64_t blocks, double* value, float* label_gradient,
                  float* hidden_factor, float* block_factor);

}  // namespace onelogit::cuda
