// nce with S draws: a block for a row. Draws are made where they are used, from their numbers, two to a call of the
// generator; only the label's and the draws' logits are looked at.
//
//   bytes a logit   4 written, the zeros (value alone: none)
//   bytes a draw    8 read of z, 4 to 20 of the noise tables; 16 read and 12 written at its entry of the gradient, in
//                   the L2 cache (value alone: 4 read of z)
//
// A class drawn c times gets (t/S) c σ. To add up c times in no order, and without a table of k counts for each row,
// the row's gradient is its own table: first each entry is c, as an integer; then −(t/S) c σ, whose sign bit says that
// it is no count any more; then the sign bit is cleared. Each step may be done by all c draws of a class, in any order,
// once or more, with the same result.

#include "backend/cuda/loss/sampled_nce.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/loss/row_sum.h"
#include "backend/cuda/reduce.h"
#include "loss/nce.h"
#include "loss/noise.h"

namespace onelogit::cuda {
namespace {

constexpr int sign_bit = static_cast<int>(0x80000000U);

struct Draws {
  NoiseTables noise;
  const StepValues* step;
  std::int64_t count;  // S
  bool shared;         // by all rows
};

// body(class) for the calling thread's draws of a row.
template <class Body>
__device__ __forceinline__ void for_own_draws(const Draws& draws, std::int64_t row, const Body& body) {
  const auto first = static_cast<std::uint64_t>(draws.shared ? 0 : row * draws.count);
  const std::uint64_t end = first + static_cast<std::uint64_t>(draws.count);
  for (std::uint64_t pair = (first >> 1) + threadIdx.x; 2 * pair < end; pair += blockDim.x) {
    const NoisePair both = noise_pair(draws.noise, draws.step->number, pair);
    for (std::uint64_t half = 0; half < 2; ++half)
      if (2 * pair + half >= first && 2 * pair + half < end) body(noise_class(draws.noise, both.random[half]));
  }
}

__global__ void sampled_nce_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                   Draws draws, float draw_weight, bool remove_accidental_hits, double scale,
                                   double* row_value, float* gradient) {
  for (std::int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    const float* const z = logits + row * k;
    float* const g = gradient + row * k;
    int* const counts = reinterpret_cast<int*>(g);
    const std::int32_t y = labels[row];
    double total = 0;
    for_own_draws(draws, row, [&](std::int32_t j) {
      const bool hit = remove_accidental_hits && j == y;
      total += static_cast<double>((hit ? 0.0f : draw_weight) * softplus(z[j] - noise_log_weight(draws.noise, j)));
      if (gradient != nullptr && !hit) atomicAdd(&counts[j], 1);
    });
    total = block_sum(total);  // and all draws are counted

    const double shifted = static_cast<double>(z[y]) - static_cast<double>(noise_log_weight(draws.noise, y));
    if (threadIdx.x == 0) row_value[row] = total + nce_label_value(shifted);
    if (gradient == nullptr) continue;
    for_own_draws(draws, row, [&](std::int32_t j) {
      const int count = atomicAdd(&counts[j], 0);
      if (count <= 0) return;  // another draw of j was here, or an accidental hit
      const float weight = draw_weight * static_cast<float>(count) * static_cast<float>(scale);
      atomicExch(&counts[j], __float_as_int(weight * sigmoid(z[j] - noise_log_weight(draws.noise, j))) | sign_bit);
    });
    __syncthreads();
    for_own_draws(draws, row, [&](std::int32_t j) { atomicAnd(&counts[j], ~sign_bit); });
    __syncthreads();
    if (threadIdx.x == 0) g[y] += static_cast<float>(nce_label_gradient(shifted) * scale);
  }
}

}  // namespace

SampledNce::SampledNce(cudaStream_t stream, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
    : shared_(spec.samples == NoiseSamples::shared),
      remove_accidental_hits_(spec.remove_accidental_hits),
      mean_(spec.reduction == Reduction::mean),
      classes_(classes),
      draws_(spec.num_sampled),
      draw_weight_(static_cast<float>(noise_ratio(spec, classes) / static_cast<double>(spec.num_sampled))),
      noise_(stream, spec, classes),
      row_value_(static_cast<std::size_t>(max_examples), "a loss") {}

void SampledNce::value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels,
                                    std::int64_t m, const StepValues* step, double* value, float* gradient) {
  const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
  if (gradient != nullptr)
    check(cudaMemsetAsync(gradient, 0, sizeof(float) * static_cast<std::size_t>(m * classes_), stream), "nce");
  const std::int64_t warps = (draws_ / 2 + warp_size) / warp_size;  // two draws a thread, and one more if S is odd
  const auto threads = static_cast<unsigned>(warps * warp_size < block_threads ? warps * warp_size : block_threads);
  const Draws draws{noise_.tables(), step, draws_, shared_};
  launch("nce", sampled_nce_kernel, grid_for(m, 1), threads, 0, stream, logits, labels, m, classes_, draws,
         draw_weight_, remove_accidental_hits_, scale, row_value_.data(), gradient);
  sum_of_rows(stream, row_value_.data(), m, scale, value);
}

}  // namespace onelogit::cuda
