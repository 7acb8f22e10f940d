// Starting values of tensors.
#pragma once

#include <cstdint>

#include "layer/layer.h"

namespace onelogit {

// The values of elements [first, first + count) of a tensor. They depend on (seed, tensor_index, element) alone:
// neither on the thread count nor on how the tensor is cut. He et al. 2015: variance 2/fan_in; Glorot and Bengio 2010:
// 2/(fan_in + fan_out).
void initialize(const TensorSpec& spec, std::uint64_t seed, std::uint64_t tensor_index, std::int64_t first,
                std::int64_t count, float* out);

}  // namespace onelogit
