// A matrix of parameters that is updated by rows: a class matrix, the table of an embedding.
#pragma once

#include <cstdint>

#include "tensor/weight_type.h"

namespace onelogit {

// rows×columns parameters, perhaps one more a row (the bias of a class), and the optimizer's state of each. All
// pointers are memory of one backend.
struct ParameterRows {
  void* value = nullptr;  // rows×columns of `type`
  WeightType type = WeightType::float32;
  float* bias = nullptr;                      // rows, or null
  float* state[2] = {nullptr, nullptr};       // rows×columns float32 each, as many as the optimizer has
  float* bias_state[2] = {nullptr, nullptr};  // rows
  std::int64_t rows = 0, columns = 0;
};

}  // namespace onelogit
