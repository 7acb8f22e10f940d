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
std::unique_ptr<Layer> make_conv2d(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_max_pool(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_avg_pool(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_global_avg_pool(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_zero_padding(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_local_response_norm(const LayerSpec& spec, const Shape& input_shape);
std::unique_ptr<Layer> make_add(const std::vector<Shape>& input_shapes);
std::unique_ptr<Layer> make_concat(const std::vector<Shape>& input_shapes);

// What a forward plan must know to fold others into a convolution.
class ConvolutionLayer : public Layer {
 public:
  virtual const Conv2dGeometry& geometry() const = 0;
};

}  // namespace onelogit
