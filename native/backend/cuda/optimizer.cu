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

__device__ __forceinline__ void take(const OptimizerStep& step, Sgd& rule) { rule.step = step.sgd; }
__device__ __forceinline__ void take(const OptimizerStep& step, SgdMomentum& rule) { rule.step = step.sgd; }
__device__ __forceinline__ void take(const OptimizerStep& step, Adam& rule) { rule.step = step.adam; }

// Powers in float64 are slow on many GPUs: taken once, and not by every block. One thread.
__global__ void prepare_step_kernel(OptimizerSpec spec, const StepValues* values, OptimizerStep* step) {
  const float learning_rate = values->learning_rate;
  const std::uint64_t number = values->number + 1;
  if (spec.kind == OptimizerKind::sgd) step->sgd = make_sgd_step(spec, learning_rate);
  if (spec.kind == OptimizerKind::adam) step->adam = make_adam_step(spec, learning_rate, number);
  if (spec.kind == OptimizerKind::adamw) step->adam = make_adamw_step(spec, learning_rate, number);
}

// A block for a chunk; chunks beyond the grid follow.
template <class Rule>
__global__ void step_kernel(const ParameterSlice* chunks, std::int64_t count, const float* gradient_scale,
                            const OptimizerStep* step) {
  const float scale = gradient_scale == nullptr ? 1.0f : *gradient_scale;
  Rule rule;
  take(*step, rule);
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

void Optimizer::step(cudaStream_t stream, const OptimizerSpec& spec, const StepValues* values,
                     const ParameterSlice* slices, std::size_t count, const float* gradient_scale) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const SliceTable& table = tables_.of(stream, slices, count);
  const auto chunks = static_cast<std::int64_t>(table.chunks.size());
  if (chunks == 0) return;
  if (step_.size() == 0) step_ = DeviceBuffer<OptimizerStep>(1, "a step of an optimizer");
  launch("optimizer_step", prepare_step_kernel, 1, 1, 0, stream, spec, values, step_.data());
  auto* const kernel = spec.kind != OptimizerKind::sgd    ? step_kernel<Adam>
                       : optimizer_state_count(spec) == 1 ? step_kernel<SgdMomentum>
                                                          : step_kernel<Sgd>;
  launch("optimizer_step", kernel, grid_for(chunks, 1), block_threads, 0, stream, table.chunks.data(), chunks,
         gradient_scale, step_.data());
}

}  // namespace onelogit::cuda
