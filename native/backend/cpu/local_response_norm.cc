#include "backend/cpu/kernels/local_response_norm.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

// body(first row, rows, workspace) on runs of rows, each with `workspace` float32 of its own.
void for_runs(std::int64_t rows, std::int64_t channels, std::int64_t workspace,
              FunctionRef<void(std::int64_t row, std::int64_t count, float* workspace)> body) {
  if (rows == 0) return;
  // A number costs about as much as ten of an elementwise operation.
  const std::int64_t most = std::clamp<std::int64_t>(rows / row_grain(10 * channels), 1, thread_count());
  const std::int64_t length = (rows + most - 1) / most;
  const int runs = static_cast<int>((rows + length - 1) / length);
  std::vector<float> workspaces(static_cast<std::size_t>(runs * workspace));
  parallel_slices(runs, [&](int run) {
    const std::int64_t row = run * length;
    body(row, std::min(length, rows - row), workspaces.data() + run * workspace);
  });
}

// A window reaches no further than all channels.
std::int64_t channels_before(const LocalResponseNorm& norm, std::int64_t channels) {
  return std::min(norm.size / 2, channels);
}
std::int64_t channels_after(const LocalResponseNorm& norm, std::int64_t channels) {
  return std::min((norm.size - 1) / 2, channels);
}

}  // namespace

void CpuBackend::local_response_norm_forward(const LocalResponseNorm& norm, const float* x, float* y, float* scale,
                                             std::int64_t rows, std::int64_t channels) {
  const std::int64_t before = channels_before(norm, channels), after = channels_after(norm, channels);
  const auto alpha = static_cast<float>(static_cast<double>(norm.alpha) / static_cast<double>(norm.size));
  for_runs(rows, channels, channels + before + after, [&](std::int64_t row, std::int64_t count, float* workspace) {
    const std::int64_t at = row * channels;
    local_response_norm_kernels().forward(
        {channels, before, after, norm.k, alpha, norm.beta, x + at, y + at, scale == nullptr ? nullptr : scale + at},
        count, workspace);
  });
}

void CpuBackend::local_response_norm_backward(const LocalResponseNorm& norm, const float* x, const float* scale,
                                              const float* dy, float* dx, std::int64_t rows, std::int64_t channels) {
  const std::int64_t before = channels_before(norm, channels), after = channels_after(norm, channels);
  const auto factor = static_cast<float>(2.0 * static_cast<double>(norm.alpha) * static_cast<double>(norm.beta) /
                                         static_cast<double>(norm.size));
  for_runs(rows, channels, channels + before + after, [&](std::int64_t row, std::int64_t count, float* workspace) {
    const std::int64_t at = row * channels;
    local_response_norm_kernels().backward(
        {channels, before, after, norm.beta, factor, x + at, scale + at, dy + at, dx + at}, count, workspace);
  });
}

}  // namespace onelogit
