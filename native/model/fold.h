// Batch normalisation folded into the dense layer or the convolution before it, for prediction.
#pragma once

#include <cstdint>

#include "layer/layer.h"

namespace onelogit {

// gamma · (w·x + b − mean)/sqrt(variance + epsilon) + beta = (s·w)·x + (s·(b − mean) + beta), s = gamma/sqrt(variance +
// epsilon). `dense` (or a convolution, its filters the units) and `batch_norm` are the two layers' tensors, `weight`
// (units×inputs) and `bias` (units) the
// result; all memory of `backend`. In float64 on the host: once per change of the tensors.
void fold_batch_norm(Backend& backend, const LayerTensors& dense, const LayerTensors& batch_norm, float epsilon,
                     std::int64_t units, std::int64_t inputs, float* weight, float* bias);

}  // namespace onelogit
