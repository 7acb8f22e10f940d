// The softmax states (M, S) of runs of logits, for normalisers over more than one block holds: over long rows and over
// the whole batch.
#pragma once

#include "backend/cuda/loss/parts.h"
#include "backend/cuda/loss/team.h"
#include "loss/softmax_state.h"

namespace onelogit::cuda {

// The state of what the threads of a team hold, for every thread. One exponential in float64 a thread.
template <bool one_warp>
__device__ __forceinline__ SoftmaxState merge_team(SoftmaxState state) {
  const float maximum = Team<one_warp>::max(state.maximum);
  return {maximum, Team<one_warp>::sum(merge(state, SoftmaxState{maximum, 0}).sum)};
}

// What logits are shifted by. Where all are −∞, exp(z − 0) = 0 is meant, not exp(−∞ + ∞).
__device__ __forceinline__ float softmax_shift(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

// states[p] = that of part p of `runs` runs that lie one after another. One read.
void softmax_states_of_parts(cudaStream_t stream, const float* logits, std::int64_t runs, Parts parts,
                             SoftmaxState* states);

}  // namespace onelogit::cuda
