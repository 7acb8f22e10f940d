// One maker per layer; the options have been checked by make_layer.
#pragma once

#include <memory>

#include "layer/layer.h"

namespace onelogit {

std::unique_ptr<Layer> make_dense(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_embedding(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_batch_norm(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_relu(const Shape& input_shape);
std::unique_ptr<Layer> make_dropout(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_flatten(const Shape& input_shape);
std::unique_ptr<Layer> make_softmax(const Shape& input_shape);

}  // namespace onelogit
