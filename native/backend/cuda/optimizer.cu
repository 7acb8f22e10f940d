#include "backend/cuda/optimizer.h"

#include <cmath>

#include "backend/cuda/launch.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/reduce.h"
#include "backend/cuda/update_rules.h"

namespace onelogit::cuda {
namespace {

using Four = Pack<float, 4>;

// Four elements from `at`, zeros after the end. Whatever the alignment, a thread has the same elements, so that sums
// have the same bits.
__device__ __forceinline__ Four load_four(const float* p, std::int64_t at, std::int64_t size, bool aligned) {
  if (aligned && at + 4 <= size) return load_pack<4>(p + at);
  Four result;
  for (int k = 0; k < 4; ++k) result.at[k] = at + k < size ? p[at + k] : 0.0f;
  return result;
}
__device__ __forceinline__ void store_four(float* p, const Four& four, std::int64_t at, std::int64_t size,
                                           bool aligned) {
  if (aligned && at + 4 <= size) {
    store_pack(p + at, four);
    return;
  }
  for (int k = 0; k < 4; ++k)
    if (at + k < size) p[at + k] = four.at[k];
}

// A block for a chunk; chunks beyond the grid follow.
template <class Rule>
__global__ void step_kernel(const ParameterSlice* chunks, std::int64_t count, const float* gradient_scale, Rule rule) {
  const float scale = gradient_scale == nullptr ? 1.0f : *gradient_scale;
  for (std::int64_t c = blockIdx.x; c < count; c += gridDim.x) {
    const ParameterSlice chunk = chunks[c];
    bool aligned = is_aligned<4>(chunk.value) && is_aligned<4>(chunk.gradient);
    for (int s = 0; s < Rule::states; ++s) aligned = aligned && is_aligned<4>(chunk.state[s]);
    for (std::int64_t at = threadIdx.x * 4; at < chunk.size; at += blockDim.x * 4) {
      const Four gradient = load_four(chunk.gradient, at, chunk.size, aligned);
      Four value = load_four(chunk.value, at, chunk.size, aligned), state[2];
      for (int s = 0; s < Rule::states; ++s) state[s] = load_four(chunk.state[s], at, chunk.size, aligned);
      for (int k = 0; k < 4; ++k) {
        float of_element[2];
        for (int s = 0; s < Rule::states; ++s) of_element[s] = state[s].at[k];
        rule(gradient.at[k] * scale, value.at[k], of_element);
        for (int s = 0; s < Rule::states; ++s) state[s].at[k] = of_element[s];
      }
      store_four(chunk.value, value, at, chunk.size, aligned);
      for (int s = 0; s < Rule::states; ++s) store_four(chunk.state[s], state[s], at, chunk.size, aligned);
    }
  }
}

// Squares of float32 are exact in float64 and cannot overflow there.
__global__ void square_sums_kernel(const ParameterSlice* chunks, std::int64_t count, double* sums) {
  for (std::int64_t c = blockIdx.x; c < count; c += gridDim.x) {
    const float* const gradient = chunks[c].gradient;
    const std::int64_t size = chunks[c].size;
    const bool aligned = is_aligned<4>(gradient);
    double sum[2] = {0, 0};
    for (std::int64_t at = threadIdx.x * 4; at < size; at += blockDim.x * 4) {
      const Four four = load_four(gradient, at, size, aligned);
      for (int k = 0; k < 4; ++k) sum[k % 2] += static_cast<double>(four.at[k]) * static_cast<double>(four.at[k]);
    }
    const double total = block_sum(sum[0] + sum[1]);
    if (threadIdx.x == 0) sums[c] = total;
  }
}

// One block.
__global__ void clip_scale_kernel(const double* sums, std::int64_t count, const double* more, float clip_norm,
                                  float* scale) {
  double sum = 0;
  for (std::int64_t c = threadIdx.x; c < count; c += blockDim.x) sum += sums[c];
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  if (more != nullptr) sum += *more;
  const double factor = static_cast<double>(clip_norm) / sqrt(sum);
  *scale = factor > 1.0 ? 1.0f : static_cast<float>(factor);  // NaN stays NaN
}

template <class Rule>
void launch_step(cudaStream_t stream, const SliceTable& table, const float* gradient_scale, const Rule& rule) {
  const auto count = static_cast<std::int64_t>(table.chunks.size());
  launch("optimizer_step", step_kernel<Rule>, grid_for(count, 1), block_threads, 0, stream, table.chunks.data(), count,
         gradient_scale, rule);
}

}  // namespace

void Optimizer::clip_scale(cudaStream_t stream, const ParameterSlice* slices, std::size_t count, float clip_norm,
                           const double* more, float* scale) {
  const std::lock_guard<std::mutex> lock(mutex_);  // held until both kernels are queued: `sums` is theirs
  const SliceTable& table = tables_.of(stream, slices, count);
  const auto chunks = static_cast<std::int64_t>(table.chunks.size());
  if (chunks > 0)
    launch("clip_scale", square_sums_kernel, grid_for(chunks, 1), block_threads, 0, stream, table.chunks.data(), chunks,
           table.sums.data());
  launch("clip_scale", clip_scale_kernel, 1, block_threads, 0, stream, table.sums.data(), chunks, more, clip_norm,
         scale);
}

void Optimizer::step(cudaStream_t stream, const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
                     const ParameterSlice* slices, std::size_t count, const float* gradient_scale) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const SliceTable& table = tables_.of(stream, slices, count);
  if (table.chunks.size() == 0) return;
  switch (spec.kind) {
    case OptimizerKind::sgd:
      if (optimizer_state_count(spec) == 1)
        launch_step(stream, table, gradient_scale, SgdMomentum{make_sgd_step(spec, learning_rate)});
      else
        launch_step(stream, table, gradient_scale, Sgd{make_sgd_step(spec, learning_rate)});
      return;
    case OptimizerKind::adam:
      return launch_step(stream, table, gradient_scale, Adam{make_adam_step(spec, learning_rate, step)});
    case OptimizerKind::adamw:
      return launch_step(stream, table, gradient_scale, Adam{make_adamw_step(spec, learning_rate, step)});
  }
}

}  // namespace onelogit::cuda
