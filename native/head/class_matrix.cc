#include "head/class_matrix.h"

#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

constexpr std::int64_t line = 16;  // float32 in a cache line

std::size_t bytes_of(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * sizeof(float);
}

}  // namespace

ClassMatrix::ClassMatrix(std::int64_t classes, std::int64_t features, bool has_bias)
    : classes_(classes),
      features_(features),
      stride_((features + line - 1) / line * line),
      dot_(reduction_kernels().dot),
      weight_memory_(cpu_backend(), bytes_of(classes, stride_)),
      bias_memory_(cpu_backend(), has_bias ? bytes_of(classes, 1) : 0) {
  weight_ = weight_memory_.as<float>();
  bias_ = bias_memory_.as<float>();
}

ClassMatrix::ClassMatrix(std::int64_t classes, std::int64_t features, const float* weight, std::int64_t stride,
                         const float* bias, std::shared_ptr<const void> owner)
    : classes_(classes),
      features_(features),
      stride_(stride),
      weight_(weight),
      bias_(bias),
      dot_(reduction_kernels().dot),
      owner_(std::move(owner)) {}

void ClassMatrix::score_many(const float* features, const std::int32_t* classes, std::int64_t count, float* out) const {
  for (std::int64_t i = 0; i < count; ++i) out[i] = score(features, classes[i]);
}

void ClassMatrix::score_batch(const float* features, std::int64_t m, std::int64_t c, float* out) const {
  parallel_for(m, row_grain(features_), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = score(features + i * features_, c);
  });
}

}  // namespace onelogit
