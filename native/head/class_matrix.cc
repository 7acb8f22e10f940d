#include "head/class_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/bfloat16.h"
#include "backend/cpu/kernels/row_dot.h"
#include "backend/cpu/threads.h"
#include "tensor/bfloat16.h"

namespace onelogit {
namespace {

constexpr std::size_t line = 64;

RowDotKernels::Dot dot_of(ClassStorage storage) {
  const RowDotKernels& kernels = row_dot_kernels();
  return storage == ClassStorage::float32    ? kernels.float32
         : storage == ClassStorage::bfloat16 ? kernels.bfloat16
                                             : kernels.int8;
}

RowDotKernels::Dots dots_of(ClassStorage storage) {
  const RowDotKernels& kernels = row_dot_kernels();
  return storage == ClassStorage::float32    ? kernels.float32_rows
         : storage == ClassStorage::bfloat16 ? kernels.bfloat16_rows
                                             : kernels.int8_rows;
}

}  // namespace

ClassMatrix::ClassMatrix(std::int64_t classes, std::int64_t features, bool has_bias, ClassStorage storage)
    : classes_(classes),
      features_(features),
      storage_(storage),
      row_bytes_((static_cast<std::size_t>(features) * storage_bytes(storage) + line - 1) / line * line),
      dot_(dot_of(storage)),
      weight_memory_(cpu_backend(), static_cast<std::size_t>(classes) * row_bytes_),
      bias_memory_(cpu_backend(), has_bias ? bytes_of(classes) : 0),
      scale_memory_(cpu_backend(), storage == ClassStorage::int8 ? bytes_of(classes) : 0) {
  weight_ = weight_memory_.as<std::byte>();
  bias_ = bias_memory_.as<float>();
  scale_ = scale_memory_.as<float>();
}

ClassMatrix::ClassMatrix(const View& view, std::shared_ptr<const void> owner)
    : classes_(view.classes),
      features_(view.features),
      storage_(view.storage),
      row_bytes_(static_cast<std::size_t>(view.features) * storage_bytes(view.storage)),
      weight_(static_cast<const std::byte*>(view.weight)),
      bias_(view.bias),
      scale_(view.scale),
      dot_(dot_of(view.storage)),
      owner_(std::move(owner)) {}

void ClassMatrix::read_rows(std::int64_t first, std::int64_t count, float* out) const {
  for (std::int64_t c = first; c < first + count; ++c, out += features_) {
    if (storage_ == ClassStorage::float32) {
      std::memcpy(out, row(c), bytes_of(features_));
    } else if (storage_ == ClassStorage::bfloat16) {
      bfloat16_kernels().to_float32(static_cast<const std::uint16_t*>(row(c)), features_, out);
    } else {
      const auto* const stored = static_cast<const std::int8_t*>(row(c));
      for (std::int64_t n = 0; n < features_; ++n) out[n] = static_cast<float>(stored[n]) * scale_[c];
    }
  }
}

void ClassMatrix::set_row(std::int64_t c, const float* values) {
  void* const to = weight_memory_.as<std::byte>() + static_cast<std::size_t>(c) * row_bytes_;
  if (storage_ == ClassStorage::float32) {
    std::memcpy(to, values, bytes_of(features_));
  } else if (storage_ == ClassStorage::bfloat16) {
    std::transform(values, values + features_, static_cast<std::uint16_t*>(to),
                   [](float x) { return float32_to_bfloat16(x); });
  } else {
    float largest = 0.0f;
    bool finite = true;
    for (std::int64_t n = 0; n < features_; ++n) {
      finite = finite && std::isfinite(values[n]);
      largest = std::max(largest, std::abs(values[n]));
    }
    // A row of zeros, or of what rounds to zero, has scale 0. One that is not finite has no scale: its scores are NaN.
    const float scale = finite ? largest / 127.0f : std::numeric_limits<float>::quiet_NaN();
    scale_memory_.as<float>()[c] = scale;
    for (std::int64_t n = 0; n < features_; ++n) {
      // 0/0 of a row of zeros, or of one without a scale, is 0; a scale below float32's normal range may be too small.
      const float multiple = values[n] / scale;
      static_cast<std::int8_t*>(to)[n] =
          multiple == multiple ? static_cast<std::int8_t>(std::nearbyint(std::clamp(multiple, -127.0f, 127.0f)))
                               : std::int8_t{0};
    }
  }
}

void ClassMatrix::set_rows(std::int64_t first, std::int64_t count, const float* rows) {
  for (std::int64_t i = 0; i < count; ++i) set_row(first + i, rows + i * features_);
}

void ClassMatrix::set_stored_rows(std::int64_t first, std::int64_t count, const void* rows, const float* scales) {
  const std::size_t bytes = static_cast<std::size_t>(features_) * storage_bytes(storage_);
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(weight_memory_.as<std::byte>() + static_cast<std::size_t>(first + i) * row_bytes_,
                static_cast<const std::byte*>(rows) + static_cast<std::size_t>(i) * bytes, bytes);
  if (scales != nullptr) std::copy_n(scales, count, scale_memory_.as<float>() + first);
}

void ClassMatrix::score_many(const float* features, const std::int32_t* classes, std::int64_t count, float* out) const {
  constexpr std::int64_t block = RowDotKernels::rows_at_once;
  // Rows lie anywhere: while these are multiplied, the beginnings of the next ones are asked for. The processor goes on
  // from there by itself, and asking for all of a row takes time from rows that are in the cache.
  const std::size_t ahead = std::min(row_bytes_, 4 * line);
  const RowDotKernels::Dots dots = dots_of(storage_);
  for (std::int64_t first = 0; first < count; first += block) {
    const std::int64_t end = std::min(first + block, count);
    for (std::int64_t i = end; i < std::min(end + block, count); ++i)
      for (std::size_t byte = 0; byte < ahead; byte += line)
        __builtin_prefetch(static_cast<const char*>(row(classes[i])) + byte);
    const void* rows[block];
    float products[block];
    for (std::int64_t i = first; i < end; ++i) rows[i - first] = row(classes[i]);
    dots(features, rows, end - first, features_, products);
    for (std::int64_t i = first; i < end; ++i) out[i] = logit(products[i - first], classes[i]);
  }
}

void ClassMatrix::score_batch(const float* features, std::int64_t m, std::int64_t c, float* out) const {
  parallel_for(m, row_grain(features_), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = score(features + i * features_, c);
  });
}

}  // namespace onelogit
