#include "model/tensor_store.h"

#include <algorithm>

#include "model/initializer.h"

namespace onelogit {
namespace {

constexpr std::int64_t initialize_at_once = 1 << 20;  // float32 of host memory while a tensor is filled

void fill(Backend& backend, const TensorSpec& spec, std::uint64_t seed, std::uint64_t index, float* device) {
  const std::int64_t size = shape_size(spec.shape);
  std::vector<float> host(static_cast<std::size_t>(std::min(size, initialize_at_once)));
  for (std::int64_t first = 0; first < size; first += initialize_at_once) {
    const std::int64_t count = std::min(size - first, initialize_at_once);
    initialize(spec, seed, index, first, count, host.data());
    backend.upload(device + first, host.data(), static_cast<std::size_t>(count) * sizeof(float));
  }
}

}  // namespace

TensorStore::TensorStore(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, std::uint64_t seed) {
  std::vector<TensorSpec> specs;
  std::int64_t statistics_size = 0;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    first_of_layer_.push_back(specs.size());
    for (TensorSpec& spec : layers[layer]->tensor_specs()) {
      const std::int64_t size = shape_size(spec.shape);
      std::int64_t& arena = spec.trainable ? parameters_size_ : statistics_size;
      if (spec.trainable) parameter_count_ += size;
      offsets_.push_back(arena);
      arena += padded(size);
      tensors_.push_back({std::to_string(layer) + "." + spec.name, spec.shape, nullptr, spec.trainable});
      specs.push_back(std::move(spec));
    }
  }
  first_of_layer_.push_back(specs.size());
  parameters_ = Buffer(backend, static_cast<std::size_t>(parameters_size_) * sizeof(float));
  statistics_ = Buffer(backend, static_cast<std::size_t>(statistics_size) * sizeof(float));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    tensors_[i].data = (specs[i].trainable ? parameters_ : statistics_).as<float>() + offsets_[i];
    fill(backend, specs[i], seed, i, tensors_[i].data);
  }
}

LayerTensors TensorStore::of_layer(std::size_t layer, float* gradients) const {
  LayerTensors result;
  for (std::size_t i = first_of_layer_[layer]; i < first_of_layer_[layer + 1]; ++i) {
    result.value.push_back(tensors_[i].data);
    result.gradient.push_back(tensors_[i].trainable && gradients != nullptr ? gradients + offsets_[i] : nullptr);
  }
  return result;
}

std::vector<NamedTensor> TensorStore::trainable_in(float* arena, const std::string& prefix) const {
  std::vector<NamedTensor> result;
  for (std::size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].trainable)
      result.push_back({prefix + tensors_[i].name, tensors_[i].shape, arena + offsets_[i], true});
  return result;
}

}  // namespace onelogit
