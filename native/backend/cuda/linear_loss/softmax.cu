#include "backend/cuda/linear_loss/softmax.h"

#include <algorithm>

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"
#include "loss/batch_cross_entropy.h"
#include "loss/self_normalization.h"

namespace onelogit::cuda {
namespace {

struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b ? a : b; }
};

// What logits are shifted by. Of a run of −∞ alone nothing: −∞ − (−∞) is not a number, and exp(−∞) is 0.
__device__ __forceinline__ float shift_of(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

__global__ void reset_row_states_kernel(RowStates states, std::int64_t m) {
  for (std::int64_t i = first_index(); i < m; i += index_stride()) {
    states.maximum[i] = -INFINITY;
    states.sum[i] = 0;
  }
}

// A block of threads for a row; it is read twice, the second time from the cache. NaN is missed by the maximum and
// makes the sum NaN.
__global__ void merge_row_states_kernel(BlockLogits block, RowStates states) {
  for (std::int64_t i = blockIdx.x; i < block.m; i += gridDim.x) {
    const float* const row = block.values + i * block.b;
    float largest = -INFINITY;
    for (std::int64_t j = threadIdx.x; j < block.b; j += blockDim.x) largest = Larger()(row[j], largest);
    largest = block_reduce(largest, -INFINITY, Larger());
    double sum = 0;
    for (std::int64_t j = threadIdx.x; j < block.b; j += blockDim.x)
      sum += static_cast<double>(expf(row[j] - shift_of(largest)));
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
      const SoftmaxState merged = merge(SoftmaxState{states.maximum[i], states.sum[i]}, SoftmaxState{largest, sum});
      states.maximum[i] = merged.maximum;
      states.sum[i] = merged.sum;
    }
  }
}

// One block of threads.
__global__ void finish_rows_kernel(RowStates states, const float* true_logit, std::int64_t m, bool self_normalization,
                                   double alpha, double scale, double* value, float* factor, float* label_gradient) {
  double total = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    const SoftmaxState state{states.maximum[i], states.sum[i]};
    const float y = true_logit[i];
    total += self_normalization ? self_normalization_value(state, y, alpha) : cross_entropy_value(state, y);
    factor[i] = static_cast<float>(self_normalization ? self_normalization_factor(state, alpha, scale)
                                                      : cross_entropy_factor(state, scale));
    label_gradient[i] =
        static_cast<float>(self_normalization ? self_normalization_label_gradient(state, y, alpha, scale)
                                              : cross_entropy_label_gradient(state, y, scale));
  }
  total = block_sum(total);
  if (threadIdx.x == 0) *value = total * scale;
}

// One block of threads.
__global__ void finish_rows_as_batch_kernel(RowStates states, const float* true_logit, std::int64_t m, double* value,
                                            float* factor, float* label_gradient) {
  float largest = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) largest = Larger()(states.maximum[i], largest);
  largest = block_reduce(largest, -INFINITY, Larger());
  double sum = 0, gap = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    sum += merge(SoftmaxState{largest, 0.0}, SoftmaxState{states.maximum[i], states.sum[i]}).sum;
    gap += static_cast<double>(largest) - static_cast<double>(true_logit[i]);
  }
  const SoftmaxState batch{largest, block_sum(sum)};
  gap = block_sum(gap);
  const auto examples = static_cast<double>(m);
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    states.maximum[i] = largest;
    factor[i] = static_cast<float>(cross_entropy_factor(batch, 1.0));
    label_gradient[i] = static_cast<float>(batch_cross_entropy_label_gradient(batch, true_logit[i], examples));
  }
  if (threadIdx.x == 0) *value = batch_cross_entropy_value(batch, gap, examples);
}

__global__ void row_gradients_kernel(BlockLogits block, const float* maximum, const float* factor,
                                     const float* label_gradient) {
  for (std::int64_t i = blockIdx.y; i < block.m; i += gridDim.y) {
    const std::int64_t own = block.labels[i] - block.begin;
    for (std::int64_t j = first_index(); j < block.b; j += index_stride()) {
      float& entry = block.values[i * block.b + j];
      entry = j == own ? label_gradient[i] : expf(entry - maximum[i]) * factor[i];
    }
  }
}

__global__ void reset_batch_state_kernel(BatchState* state) { *state = {-INFINITY, 1.0f, 0.0}; }

__global__ void partial_maxima_kernel(BlockLogits block, float* partial) {
  float largest = -INFINITY;
  const std::int64_t size = block.m * block.b;
  for (std::int64_t i = first_index(); i < size; i += index_stride()) largest = Larger()(block.values[i], largest);
  largest = block_reduce(largest, -INFINITY, Larger());
  if (threadIdx.x == 0) partial[blockIdx.x] = largest;
}

// One block of threads.
__global__ void raise_maximum_kernel(const float* partial, std::int64_t size, BatchState* state, float* block_maximum) {
  float largest = -INFINITY;
  for (std::int64_t i = threadIdx.x; i < size; i += blockDim.x) largest = Larger()(partial[i], largest);
  largest = block_reduce(largest, -INFINITY, Larger());
  if (threadIdx.x != 0) return;
  const float before = state->maximum;
  const float now = Larger()(largest, before);
  // Equality first: −∞ − (−∞) is not a number.
  const double rescale = before == now ? 1.0 : exp(static_cast<double>(before) - static_cast<double>(now));
  *state = {now, static_cast<float>(rescale), state->sum * rescale};
  *block_maximum = now;
}

__global__ void exponentiate_block_kernel(BlockLogits block, const BatchState* state, double* partial) {
  const float shift = shift_of(state->maximum);
  double sum = 0;
  for (std::int64_t i = blockIdx.y; i < block.m; i += gridDim.y) {
    const std::int64_t own = block.labels[i] - block.begin;
    for (std::int64_t j = first_index(); j < block.b; j += index_stride()) {
      float& entry = block.values[i * block.b + j];
      const float e = expf(entry - shift);
      sum += static_cast<double>(e);
      entry = j == own ? 0.0f : e;
    }
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x] = sum;
}

__global__ void rescale_kernel(float* x, std::int64_t size, const BatchState* state) {
  const float factor = state->rescale;
  if (factor == 1.0f) return;
  for (std::int64_t i = first_index(); i < size; i += index_stride()) x[i] *= factor;
}

// One block of threads.
__global__ void finish_batch_kernel(const BatchState* batch, const float* true_logit, std::int64_t m,
                                    const float* block_maximum, std::int64_t blocks, double* value,
                                    float* label_gradient, float* hidden_factor, float* block_factor) {
  const SoftmaxState state{batch->maximum, batch->sum};
  const auto examples = static_cast<double>(m);
  double gap = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    gap += static_cast<double>(state.maximum) - static_cast<double>(true_logit[i]);
    label_gradient[i] = static_cast<float>(batch_cross_entropy_label_gradient(state, true_logit[i], examples));
  }
  gap = block_sum(gap);
  for (std::int64_t b = threadIdx.x; b < blocks; b += blockDim.x)
    block_factor[b] = static_cast<float>(probability(block_maximum[b], state));
  if (threadIdx.x != 0) return;
  *value = batch_cross_entropy_value(state, gap, examples);
  *hidden_factor = static_cast<float>(1.0 / state.sum);
}

// Columns in x, four a thread; rows in y.
dim3 matrix_grid(const BlockLogits& block, std::int64_t most = 65535) {
  const unsigned columns = grid_for(block.b, 4 * block_threads, 128);
  return dim3(columns, static_cast<unsigned>(std::min(block.m, most / columns)));
}

}  // namespace

void reset_row_states(cudaStream_t stream, const RowStates& states, std::int64_t m) {
  launch("softmax", reset_row_states_kernel, grid_for(m), block_threads, 0, stream, states, m);
}

void merge_row_states(cudaStream_t stream, const BlockLogits& block, const RowStates& states) {
  launch("softmax", merge_row_states_kernel, grid_for(block.m, 1), block_threads, 0, stream, block, states);
}

void finish_rows(cudaStream_t stream, const RowStates& states, const float* true_logit, std::int64_t m,
                 bool self_normalization, double alpha, double scale, double* value, float* factor,
                 float* label_gradient) {
  launch("softmax", finish_rows_kernel, 1, block_threads, 0, stream, states, true_logit, m, self_normalization, alpha,
         scale, value, factor, label_gradient);
}

void finish_rows_as_batch(cudaStream_t stream, const RowStates& states, const float* true_logit, std::int64_t m,
                          double* value, float* factor, float* label_gradient) {
  launch("softmax", finish_rows_as_batch_kernel, 1, block_threads, 0, stream, states, true_logit, m, value, factor,
         label_gradient);
}

void row_gradients(cudaStream_t stream, const BlockLogits& block, const float* maximum, const float* factor,
                   const float* label_gradient) {
  launch("softmax", row_gradients_kernel, matrix_grid(block), block_threads, 0, stream, block, maximum, factor,
         label_gradient);
}

void reset_batch_state(cudaStream_t stream, BatchState* state) {
  launch("softmax", reset_batch_state_kernel, 1, 1, 0, stream, state);
}

void exponentiate_block(cudaStream_t stream, const BlockLogits& block, BatchState* state, float* block_maximum,
                        float* partial_maximum, double* partial_sum) {
  const unsigned maxima = grid_for(block.m * block.b, 8 * block_threads, most_batch_partials);
  launch("softmax", partial_maxima_kernel, maxima, block_threads, 0, stream, block, partial_maximum);
  launch("softmax", raise_maximum_kernel, 1, block_threads, 0, stream, partial_maximum, maxima, state, block_maximum);
  const dim3 grid = matrix_grid(block, most_batch_partials);
  launch("softmax", exponentiate_block_kernel, grid, block_threads, 0, stream, block, state, partial_sum);
  add_partial_sums(stream, partial_sum, static_cast<std::int64_t>(grid.x) * grid.y, &state->sum);
}

void rescale(cudaStream_t stream, float* x, std::int64_t size, const BatchState* state) {
  if (size > 0) launch("softmax", rescale_kernel, grid_for(size), block_threads, 0, stream, x, size, state);
}

void finish_batch(cudaStream_t stream, const BatchState* state, const float* true_logit, std::int64_t m,
                  const float* block_maximum, std::int64_t blocks, double* value, float* label_gradient,
                  float* hidden_factor, float* block_factor) {
  launch("softmax", finish_batch_kernel, 1, block_threads, 0, stream, state, true_logit, m, block_maximum, blocks,
         value, label_gradient, hidden_factor, block_factor);
}

}  // namespace onelogit::cuda
