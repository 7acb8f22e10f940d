// The tensors of a model. What a step updates as a whole lies in one arena, so that an optimizer updates it in one
// call; what may be updated by rows (the class matrix and its bias, the table of an embedding) has an arena for each
// tensor; what is not trained (running statistics) has one of its own. Each tensor starts at a multiple of 64 bytes,
// and the gaps stay zero.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layer/layer.h"
#include "model/graph.h"
#include "model/memory_blocks.h"
#include "model/named_tensor.h"
#include "tensor/buffer.h"

namespace onelogit {

class TensorStore {
 public:
  // Allocates and initialises the tensors of the layers of `graph`, made from `spec`.
  TensorStore(Backend& backend, const Graph& graph, const ModelSpec& spec);

  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  std::int64_t parameter_count() const { return parameter_count_; }
  const Buffer& statistics() const { return statistics_; }

  // ---- arenas of trained tensors: 0 holds those that are updated as a whole, each other one a tensor ----
  static constexpr std::size_t dense_arena = 0;
  std::size_t arena_count() const { return arenas_.size(); }
  std::int64_t arena_size(std::size_t arena) const { return arenas_[arena].size; }  // elements, gaps included
  void* arena_data(std::size_t arena) const { return arenas_[arena].memory.data(); }
  // Of a tensor that has one of its own; by its place in tensors().
  std::size_t arena_of(std::size_t tensor) const { return static_cast<std::size_t>(places_[tensor].arena); }
  // The place in tensors() of a layer's first tensor.
  std::size_t first_of_layer(std::size_t layer) const { return first_of_layer_[layer]; }

  // A layer's tensors; a gradient lies where its tensor does in the float32 memory that `gradients` has for its arena
  // (null, or no memory for that arena: no gradient). A bfloat16 tensor's value is null.
  LayerTensors of_layer(std::size_t layer, std::span<float* const> gradients) const;
  // The trained tensors' counterparts in other float32 memory of that layout, under `prefix` + their names.
  std::vector<NamedTensor> trainable_in(std::span<float* const> arenas, const std::string& prefix) const;

 private:
  static constexpr std::ptrdiff_t in_statistics = -1, in_frozen = -2;
  struct Place {
    std::ptrdiff_t arena;  // or one of these
    std::int64_t offset;
  };
  struct Arena {
    std::int64_t size = 0;
    WeightType type = WeightType::float32;
    Buffer memory{};
  };

  std::vector<NamedTensor> tensors_;
  std::vector<Place> places_;
  std::vector<std::size_t> first_of_layer_;  // one more than there are layers
  std::int64_t parameter_count_ = 0;
  std::vector<Arena> arenas_;
  Buffer statistics_, frozen_;
};

}  // namespace onelogit
