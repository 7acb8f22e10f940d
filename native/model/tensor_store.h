// The tensors of a model in two arenas: what is trained, and what is not (running statistics). Each tensor starts at a
// multiple of 64 bytes, and the gaps stay zero, so that an optimizer updates one arena in one call.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "layer/layer.h"
#include "model/model.h"
#include "tensor/buffer.h"

namespace onelogit {

class TensorStore {
 public:
  // Allocates and initialises.
  TensorStore(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, std::uint64_t seed);

  const std::vector<NamedTensor>& tensors() const { return tensors_; }
  std::int64_t parameter_count() const { return parameter_count_; }
  float* parameters() const { return parameters_.as<float>(); }
  std::int64_t parameters_size() const { return parameters_size_; }  // float32, gaps included
  const Buffer& statistics() const { return statistics_; }

  // A layer's tensors; gradients lie in `gradients`, an arena laid out as the parameters (null: no gradients).
  LayerTensors of_layer(std::size_t layer, float* gradients) const;
  // The trainable tensors' counterparts in another arena of that layout, under `prefix` + their names.
  std::vector<NamedTensor> trainable_in(float* arena, const std::string& prefix) const;

 private:
  std::vector<NamedTensor> tensors_;
  std::vector<std::int64_t> offsets_;        // of each tensor in its arena, in float32
  std::vector<std::size_t> first_of_layer_;  // one more than there are layers
  std::int64_t parameter_count_ = 0, parameters_size_ = 0;
  Buffer parameters_, statistics_;
};

// float32 that a tensor of `size` takes in an arena.
inline std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

}  // namespace onelogit
