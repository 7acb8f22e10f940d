// The last layer as scoring reads it: one contiguous row per class, and a dot product per question.
#pragma once

#include <cstdint>
#include <memory>

#include "tensor/buffer.h"
#include "tensor/class_storage.h"

namespace onelogit {

// k rows of d numbers, float32, bfloat16 or int8 with a scale per class, and a float32 bias of each class. Filled once,
// then immutable: shared by any number of threads.
//
// Whatever way a score is asked for, the same d numbers are added in the same order, so it is the same to the last bit.
class ClassMatrix {
 public:
  // Zeros in host memory, each row at the start of a cache line.
  ClassMatrix(std::int64_t classes, std::int64_t features, bool has_bias, ClassStorage storage = ClassStorage::float32);
  // A view of memory that `owner` keeps alive, rows without gaps, at any alignment. bias and scale (int8) may be null.
  struct View {
    std::int64_t classes, features;
    ClassStorage storage;
    const void* weight;
    const float *bias, *scale;
  };
  ClassMatrix(const View& view, std::shared_ptr<const void> owner);

  std::int64_t classes() const { return classes_; }
  std::int64_t features() const { return features_; }
  ClassStorage storage() const { return storage_; }
  bool has_bias() const { return bias_ != nullptr; }
  const float* bias_data() const { return bias_; }    // null: none
  const float* scale_data() const { return scale_; }  // null: none
  float bias(std::int64_t c) const { return bias_ == nullptr ? 0.0f : bias_[c]; }
  // A row as it is stored: features() elements.
  const void* row(std::int64_t c) const { return weight_ + static_cast<std::size_t>(c) * row_bytes_; }
  // Rows [first, first + count) as float32, without gaps.
  void read_rows(std::int64_t first, std::int64_t count, float* out) const;
  // Bytes of memory of its own.
  std::size_t owned_bytes() const { return weight_memory_.bytes() + bias_memory_.bytes() + scale_memory_.bytes(); }

  // For filling; only of a matrix that owns its memory. Rounded to the storage: bfloat16 to nearest, int8 to the
  // nearest of the 255 multiples of max|w|/127. Disjoint rows from any threads at once.
  void set_rows(std::int64_t first, std::int64_t count, const float* rows);
  // Rows as they are stored; of int8 with their scales.
  void set_stored_rows(std::int64_t first, std::int64_t count, const void* rows, const float* scales);
  float* mutable_bias() { return bias_memory_.as<float>(); }

  // z_c = features · W_c + b_c, reading row c and nothing else. 0 ≤ c < classes(), which the caller has checked.
  float score(const float* features, std::int64_t c) const { return logit(dot_(features, row(c), features_), c); }
  // One example, `count` classes.
  void score_many(const float* features, const std::int32_t* classes, std::int64_t count, float* out) const;
  // m examples (m×d), one class; on the pool when there are many.
  void score_batch(const float* features, std::int64_t m, std::int64_t c, float* out) const;

 private:
  float logit(float product, std::int64_t c) const {
    return (scale_ == nullptr ? product : product * scale_[c]) + bias(c);
  }
  void set_row(std::int64_t c, const float* row);

  std::int64_t classes_, features_;
  ClassStorage storage_;
  std::size_t row_bytes_;  // from one row to the next
  const std::byte* weight_ = nullptr;
  const float *bias_ = nullptr, *scale_ = nullptr;
  float (*dot_)(const float* features, const void* row,
                std::int64_t n);  // chosen once: the hot path does not look it up
  Buffer weight_memory_, bias_memory_, scale_memory_;
  std::shared_ptr<const void> owner_;
};

}  // namespace onelogit
