#include "backend/cpu/kernels/optimizer.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/threads.h"
#include "optimizer/adamw.h"

namespace onelogit {
namespace {

std::int64_t total_size(std::span<const ParameterSlice> slices) {
  std::int64_t total = 0;
  for (const ParameterSlice& slice : slices) total += slice.size;
  return total;
}

// Runs body(slice, begin, end) on the parts of the slices that lie in [begin, end) of their concatenation.
template <class Body>
void for_each_part(std::span<const ParameterSlice> slices, std::int64_t begin, std::int64_t end, Body&& body) {
  std::int64_t offset = 0;
  for (const ParameterSlice& slice : slices) {
    const std::int64_t from = std::max(begin - offset, std::int64_t{0}), to = std::min(end - offset, slice.size);
    if (from < to) body(slice, from, to);
    offset += slice.size;
  }
}

}  // namespace

void CpuBackend::clip_scale(std::span<const ParameterSlice> slices, float clip_norm, const double* more, float* scale) {
  const std::int64_t total = total_size(slices);
  const std::int64_t parts = std::clamp<std::int64_t>(total / elementwise_grain, 1, std::min(thread_count(), 1024));
  const std::int64_t length = (total + parts - 1) / parts;
  double sums[1024];
  parallel_slices(static_cast<int>(parts), [&](int part) {
    double sum = 0;
    for_each_part(slices, part * length, std::min(total, (part + 1) * length),
                  [&](const ParameterSlice& slice, std::int64_t from, std::int64_t to) {
                    sum += reduction_kernels().sum_of_squares(slice.gradient + from, to - from);
                  });
    sums[part] = sum;
  });
  double sum = more == nullptr ? 0.0 : *more;
  for (std::int64_t part = 0; part < parts; ++part) sum += sums[part];
  const double factor = static_cast<double>(clip_norm) / std::sqrt(sum);
  *scale = factor > 1.0 ? 1.0f : static_cast<float>(factor);  // NaN stays NaN
}

void CpuBackend::optimizer_step(const OptimizerSpec& spec, float learning_rate, std::uint64_t step,
                                std::span<const ParameterSlice> slices, const float* gradient_scale) {
  const float scale = gradient_scale == nullptr ? 1.0f : *gradient_scale;
  const bool sgd = spec.kind == OptimizerKind::sgd;
  const bool momentum = sgd && optimizer_state_count(spec) == 1;
  const SgdStep sgd_step = make_sgd_step(spec, learning_rate);
  const AdamStep adam_step = spec.kind == OptimizerKind::adamw ? make_adamw_step(spec, learning_rate, step)
                                                               : make_adam_step(spec, learning_rate, step);
  const OptimizerKernels& kernels = optimizer_kernels();
  parallel_for(total_size(slices), elementwise_grain / 4, 64, [&](std::int64_t begin, std::int64_t end) {
    for_each_part(slices, begin, end, [&](const ParameterSlice& slice, std::int64_t from, std::int64_t to) {
      float* const value = slice.value + from;
      const float* const gradient = slice.gradient + from;
      if (momentum) {
        kernels.sgd_momentum(sgd_step, scale, gradient, value, slice.state[0] + from, to - from);
      } else if (sgd) {
        kernels.sgd(sgd_step, scale, gradient, value, to - from);
      } else {
        kernels.adam(adam_step, scale, gradient, value, slice.state[0] + from, slice.state[1] + from, to - from);
      }
    });
  });
}

}  // namespace onelogit
