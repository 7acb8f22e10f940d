// The layers of a model and what flows between them. Value 0 is the model's input, value i + 1 the output of layer i;
// every layer comes after those that it reads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "layer/layer.h"
#include "model/model.h"

namespace onelogit {

class Graph {
 public:
  struct Node {
    std::unique_ptr<Layer> layer;
    std::vector<std::size_t> inputs;  // values
    // For a layer of several inputs; null otherwise.
    const JoiningLayer* joining() const { return joining_; }

   private:
    friend class Graph;
    const JoiningLayer* joining_ = nullptr;
  };

  // Throws ERR_ONELOGIT_LAYER for layers that do not fit together, a layer that nothing reads (but the last, which
  // nothing may read), names of tensors that are taken or impossible, an embedding that is not the first layer, or a
  // frozen last dense layer.
  explicit Graph(const ModelSpec& spec);

  const std::vector<Node>& nodes() const { return nodes_; }
  const Shape& shape(std::size_t value) const {
    return value == 0 ? input_shape_ : nodes_[value - 1].layer->output_shape();
  }
  std::int64_t size(std::size_t value) const { return shape_size(shape(value)); }
  // Index of the dense layer that makes the logits.
  std::size_t last_dense() const { return last_dense_; }

 private:
  void check_use() const;

  Shape input_shape_;
  std::vector<Node> nodes_;
  std::size_t last_dense_;
};

// What the names of a layer's tensors begin with, before the dot: the layer's name, or its index.
std::string tensor_prefix(const LayerSpec& layer, std::size_t index);

}  // namespace onelogit
