// The last layer as scoring reads it: one contiguous row per class, and a dot product per question.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/buffer.h"

namespace onelogit {

// k rows of d float32, and a bias of each class. Filled once, then immutable: shared by any number of threads.
//
// Whatever way a score is asked for, it is the same kernel over the same d numbers, so it is the same to the last bit.
class ClassMatrix {
 public:
  // Zeros in host memory, each row at the start of a cache line.
  ClassMatrix(std::int64_t classes, std::int64_t features, bool has_bias);
  // A view of memory that `owner` keeps alive: rows `stride` apart, `bias` null for none.
  ClassMatrix(std::int64_t classes, std::int64_t features, const float* weight, std::int64_t stride, const float* bias,
              std::shared_ptr<const void> owner);

  std::int64_t classes() const { return classes_; }
  std::int64_t features() const { return features_; }
  std::int64_t stride() const { return stride_; }
  bool has_bias() const { return bias_ != nullptr; }
  const float* row(std::int64_t c) const { return weight_ + c * stride_; }
  const float* bias_data() const { return bias_; }  // null: none
  float bias(std::int64_t c) const { return bias_ == nullptr ? 0.0f : bias_[c]; }

  // For filling; only of a matrix that owns its memory.
  float* mutable_row(std::int64_t c) { return weight_memory_.as<float>() + c * stride_; }
  float* mutable_bias() { return bias_memory_.as<float>(); }

  // z_c = features · W_c + b_c, reading row c and nothing else. 0 ≤ c < classes(), which the caller has checked.
  float score(const float* features, std::int64_t c) const { return dot_(features, row(c), features_) + bias(c); }
  // One example, `count` classes.
  void score_many(const float* features, const std::int32_t* classes, std::int64_t count, float* out) const;
  // m examples (m×d), one class; on the pool when there are many.
  void score_batch(const float* features, std::int64_t m, std::int64_t c, float* out) const;

 private:
  std::int64_t classes_, features_, stride_;
  const float* weight_ = nullptr;
  const float* bias_ = nullptr;
  float (*dot_)(const float* a, const float* b, std::int64_t n);  // chosen once: the hot path does not look it up
  Buffer weight_memory_, bias_memory_;
  std::shared_ptr<const void> owner_;
};

}  // namespace onelogit
