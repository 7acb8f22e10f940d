// A block for a part. Bytes: 4 a logit read, 16 a part written. Each thread keeps a state of its own and rescales its
// sum when its maximum rises, so that logits are read once and only the end of a part needs other threads.

#include "backend/cuda/loss/softmax_parts.h"

#include "backend/cuda/loss/quad.h"

namespace onelogit::cuda {
namespace {

template <bool neighbours>
__global__ void softmax_states_of_parts_kernel(const float* logits, std::int64_t count, Parts parts,
                                               SoftmaxState* states) {
  for (std::int64_t p = blockIdx.x; p < count; p += gridDim.x) {
    const Part part = parts[p];
    const float* const z = logits + part.run * parts.run_length;
    SoftmaxState state;
    for (std::int64_t begin = part.begin; begin < part.end; begin += quads_length()) {
      float four[quad_size];
      Quad<neighbours>::from(begin).load(z, part.end, -INFINITY, four);
      const float largest = fmaxf(fmaxf(four[0], four[1]), fmaxf(four[2], four[3]));  // a NaN is found by the sum
      if (largest > state.maximum) state = merge(state, SoftmaxState{largest, 0});
      const float shift = softmax_shift(state.maximum);
      for (int c = 0; c < quad_size; ++c) state.sum += static_cast<double>(expf(four[c] - shift));
    }
    state = merge_team<false>(state);
    if (threadIdx.x == 0) states[p] = state;
  }
}

}  // namespace

void softmax_states_of_parts(cudaStream_t stream, const float* logits, std::int64_t runs, Parts parts,
                             SoftmaxState* states) {
  const std::int64_t count = runs * parts.per_run;
  // A single run may have any length: only its end is not whole quads.
  const bool aligned = quads_are_aligned(logits, nullptr, runs == 1 ? 0 : parts.run_length);
  const TeamShape shape = block_teams(count);
  launch("softmax_states_of_parts",
         aligned ? softmax_states_of_parts_kernel<true> : softmax_states_of_parts_kernel<false>, shape.grid,
         shape.block, 0, stream, logits, count, parts, states);
}

}  // namespace onelogit::cuda
