#include "backend/cpu/kernels/batch_norm.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"

namespace onelogit {

void CpuBackend::batch_norm_forward_training(const float* x, const float* gamma, const float* beta, float epsilon,
                                             float momentum, float* running_mean, float* running_variance,
                                             float* saved_mean, float* saved_inverse_deviation, float* y,
                                             std::int64_t m, std::int64_t features) {
  if (m == 0) return;
  const BatchNormTraining pass{
      x, gamma, beta,    epsilon, momentum, running_mean, running_variance, saved_mean, saved_inverse_deviation,
      y, m,     features};
  parallel_for(features, row_grain(m), 16,
               [&](std::int64_t begin, std::int64_t end) { batch_norm_kernels().training(pass, begin, end); });
}

void CpuBackend::batch_norm_forward_inference(const float* x, const float* gamma, const float* beta, float epsilon,
                                              const float* running_mean, const float* running_variance, float* y,
                                              std::int64_t m, std::int64_t features) {
  const BatchNormInference pass{x, gamma, beta, epsilon, running_mean, running_variance, y, m, features};
  parallel_for(m, row_grain(features), 1,
               [&](std::int64_t begin, std::int64_t end) { batch_norm_kernels().inference(pass, begin, end); });
}

void CpuBackend::batch_norm_backward(const float* x, const float* dy, const float* gamma, const float* saved_mean,
                                     const float* saved_inverse_deviation, float* dx, float* dgamma, float* dbeta,
                                     std::int64_t m, std::int64_t features) {
  if (m == 0) {
    zero(dgamma, static_cast<std::size_t>(features) * sizeof(float));
    zero(dbeta, static_cast<std::size_t>(features) * sizeof(float));
    return;
  }
  const BatchNormBackward pass{x, dy, gamma, saved_mean, saved_inverse_deviation, dx, dgamma, dbeta, m, features};
  parallel_for(features, row_grain(m), 16,
               [&](std::int64_t begin, std::int64_t end) { batch_norm_kernels().backward(pass, begin, end); });
}

}  // namespace onelogit
