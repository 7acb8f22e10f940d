// One tensor of a model, by name.
#pragma once

#include <cstdint>
#include <string>

#include "backend/backend.h"
#include "layer/layer.h"
#include "tensor/weight_type.h"

namespace onelogit {

struct NamedTensor {
  std::string name;  // "0.weight"
  Shape shape;
  void* data;  // device memory; null where a tensor is only planned
  bool trainable;
  WeightType type = WeightType::float32;

  // Only of a float32 tensor.
  float* values() const { return static_cast<float*>(data); }
};

// `count` elements from element `first` of a tensor as float32, whatever it is stored as; to host memory, and back (to
// the nearest bfloat16).
void download_float32(Backend& backend, const NamedTensor& tensor, std::int64_t first, std::int64_t count, float* out);
void upload_float32(Backend& backend, const NamedTensor& tensor, std::int64_t first, std::int64_t count,
                    const float* values);

}  // namespace onelogit
