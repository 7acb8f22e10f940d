#include "backend/cpu/kernels/elementwise.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/softmax.h"
#include "backend/cpu/threads.h"

namespace onelogit {

void CpuBackend::relu_forward(const float* x, float* y, std::int64_t size) {
  parallel_for(size, elementwise_grain, 16, [&](std::int64_t begin, std::int64_t end) {
    elementwise_kernels().relu(x + begin, y + begin, end - begin);
  });
}

void CpuBackend::relu_backward(const float* y, const float* dy, float* dx, std::int64_t size) {
  parallel_for(size, elementwise_grain, 16, [&](std::int64_t begin, std::int64_t end) {
    elementwise_kernels().relu_backward(y + begin, dy + begin, dx + begin, end - begin);
  });
}

void CpuBackend::dropout(const float* x, float* y, std::int64_t size, float rate, std::uint64_t seed,
                         std::uint64_t step) {
  if (rate >= 1.0f) return zero(y, static_cast<std::size_t>(size) * sizeof(float));
  // Of the 2³² words, rate · 2³² are below the threshold; rate is below 1, so it fits.
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(rate) * 4294967296.0);
  const auto scale = static_cast<float>(1.0 / (1.0 - static_cast<double>(rate)));
  parallel_for(size, elementwise_grain / 4, 64, [&](std::int64_t begin, std::int64_t end) {
    elementwise_kernels().dropout(x, y, begin, end, threshold, scale, seed, step);
  });
}

void CpuBackend::add(const float* a, const float* b, float* y, std::int64_t size) {
  parallel_for(size, elementwise_grain, 16, [&](std::int64_t begin, std::int64_t end) {
    elementwise_kernels().add(a + begin, b + begin, y + begin, end - begin);
  });
}

void CpuBackend::softmax_forward(const float* x, float* y, std::int64_t m, std::int64_t n) {
  parallel_for(m, row_grain(4 * n), 1, [&](std::int64_t begin, std::int64_t end) {
    softmax_kernels().forward(x + begin * n, y + begin * n, end - begin, n);
  });
}

void CpuBackend::softmax_backward(const float* y, const float* dy, float* dx, std::int64_t m, std::int64_t n) {
  parallel_for(m, row_grain(n), 1, [&](std::int64_t begin, std::int64_t end) {
    softmax_kernels().backward(y + begin * n, dy + begin * n, dx + begin * n, end - begin, n);
  });
}

}  // namespace onelogit
