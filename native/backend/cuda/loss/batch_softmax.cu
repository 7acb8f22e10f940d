// batch-cross-entropy. The matrix is one run of m·k logits, cut into parts; one block merges their states. The gradient
// needs the merged state, so the logits are read twice: the second time from the L2 cache where they fit.
//
//   bytes a logit   8 read + 4 written (value alone: 4 read)
//   bytes a label   8 read to find z_y, and again with 4 written for its gradient

#include "backend/cuda/loss/batch_softmax.h"

#include "backend/cuda/loss/quad.h"
#include "backend/cuda/loss/softmax_parts.h"
#include "loss/batch_cross_entropy.h"

namespace onelogit::cuda {
namespace {

// One block.
__global__ void batch_value_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                   std::int64_t parts, const SoftmaxState* part_state, SoftmaxState* batch_state,
                                   double* value) {
  SoftmaxState batch;
  for (std::int64_t p = threadIdx.x; p < parts; p += blockDim.x) batch = merge(batch, part_state[p]);
  batch = merge_team<false>(batch);
  double gap = 0;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x)
    gap += static_cast<double>(batch.maximum) - static_cast<double>(logits[i * k + labels[i]]);
  gap = block_sum(gap);
  if (threadIdx.x != 0) return;
  *batch_state = batch;
  *value = batch_cross_entropy_value(batch, gap, static_cast<double>(m));
}

template <bool neighbours>
__global__ void batch_gradient_kernel(const float* logits, std::int64_t size, const SoftmaxState* batch_state,
                                      float* gradient) {
  const float shift = softmax_shift(batch_state->maximum), factor = static_cast<float>(1.0 / batch_state->sum);
  for (std::int64_t begin = blockIdx.x * quads_length(); begin < size; begin += gridDim.x * quads_length()) {
    const auto quad = Quad<neighbours>::from(begin);
    float four[quad_size];
    quad.load(logits, size, 0.0f, four);
    for (int c = 0; c < quad_size; ++c) four[c] = expf(four[c] - shift) * factor;
    quad.store(gradient, size, four);
  }
}

__global__ void batch_label_gradient_kernel(const float* logits, const std::int32_t* labels, std::int64_t m,
                                            std::int64_t k, const SoftmaxState* batch_state, float* gradient) {
  for (std::int64_t i = first_index(); i < m; i += index_stride()) {
    const std::int64_t at = i * k + labels[i];
    gradient[at] =
        static_cast<float>(batch_cross_entropy_label_gradient(*batch_state, logits[at], static_cast<double>(m)));
  }
}

}  // namespace

BatchSoftmaxLoss::BatchSoftmaxLoss(cudaStream_t, const LossSpec&, std::int64_t classes, std::int64_t)
    : classes_(classes), part_state_(most_parts, "a loss"), batch_state_(1, "a loss") {}

void BatchSoftmaxLoss::value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels,
                                          std::int64_t m, const StepValues*, double* value, float* gradient) {
  const std::int64_t k = classes_, size = m * k;
  const Parts parts = cut(size);
  softmax_states_of_parts(stream, logits, 1, parts, part_state_.data());
  launch("batch_softmax_loss", batch_value_kernel, 1, block_threads, 0, stream, logits, labels, m, k, parts.per_run,
         part_state_.data(), batch_state_.data(), value);
  if (gradient == nullptr) return;
  launch("batch_softmax_loss",
         quads_are_aligned(logits, gradient, 0) ? batch_gradient_kernel<true> : batch_gradient_kernel<false>,
         grid_for(size, block_threads * quad_size), block_threads, 0, stream, logits, size, batch_state_.data(),
         gradient);
  launch("batch_softmax_loss", batch_label_gradient_kernel, grid_for(m), block_threads, 0, stream, logits, labels, m, k,
         batch_state_.data(), gradient);
}

}  // namespace onelogit::cuda
