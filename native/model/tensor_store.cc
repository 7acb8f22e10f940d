#include "model/tensor_store.h"

#include <algorithm>

#include "model/initializer.h"

namespace onelogit {
namespace {

constexpr std::int64_t initialize_at_once = 1 << 20;  // float32 of host memory while a tensor is filled

void fill(Backend& backend, const TensorSpec& spec, std::uint64_t seed, std::uint64_t index,
          const NamedTensor& tensor) {
  const std::int64_t size = shape_size(spec.shape);
  std::vector<float> host(static_cast<std::size_t>(std::min(size, initialize_at_once)));
  for (std::int64_t first = 0; first < size; first += initialize_at_once) {
    const std::int64_t count = std::min(size - first, initialize_at_once);
    initialize(spec, seed, index, first, count, host.data());
    upload_float32(backend, tensor, first, count, host.data());
  }
}

}  // namespace

TensorStore::TensorStore(Backend& backend, const Graph& graph, const ModelSpec& model) {
  std::vector<TensorSpec> specs;
  std::int64_t statistics_size = 0, frozen_size = 0;
  arenas_.emplace_back();
  for (std::size_t layer = 0; layer < graph.nodes().size(); ++layer) {
    first_of_layer_.push_back(specs.size());
    const std::string prefix = tensor_prefix(model.layers[layer], layer) + ".";
    const bool frozen = model.layers[layer].frozen;
    for (TensorSpec& spec : graph.nodes()[layer].layer->tensor_specs()) {
      const std::int64_t size = shape_size(spec.shape);
      Place place{};
      if (frozen) {
        spec.trainable = false;
        place = {in_frozen, frozen_size};
        frozen_size += padded(size);
      } else if (spec.trainable) {
        parameter_count_ += size;
        const bool own = layer == graph.last_dense() || spec.by_rows;
        if (own) arenas_.push_back({0, spec.type, {}});
        place.arena = own ? static_cast<std::ptrdiff_t>(arenas_.size()) - 1 : 0;
        Arena& arena = arenas_[static_cast<std::size_t>(place.arena)];
        place.offset = arena.size;
        arena.size += padded(size);
      } else {
        place = {in_statistics, statistics_size};
        statistics_size += padded(size);
      }
      places_.push_back(place);
      tensors_.push_back({prefix + spec.name, spec.shape, nullptr, spec.trainable, spec.type});
      specs.push_back(std::move(spec));
    }
  }
  first_of_layer_.push_back(specs.size());
  for (Arena& arena : arenas_)
    arena.memory = Buffer(backend, static_cast<std::size_t>(arena.size) * weight_bytes(arena.type));
  statistics_ = Buffer(backend, static_cast<std::size_t>(statistics_size) * sizeof(float));
  frozen_ = Buffer(backend, static_cast<std::size_t>(frozen_size) * sizeof(float));
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const Place& place = places_[i];
    const Buffer& memory = place.arena == in_statistics ? statistics_
                           : place.arena == in_frozen   ? frozen_
                                                        : arenas_[static_cast<std::size_t>(place.arena)].memory;
    tensors_[i].data = memory.as<std::byte>() + static_cast<std::size_t>(place.offset) * weight_bytes(specs[i].type);
    fill(backend, specs[i], model.seed, i, tensors_[i]);
  }
}

LayerTensors TensorStore::of_layer(std::size_t layer, std::span<float* const> gradients) const {
  LayerTensors result;
  for (std::size_t i = first_of_layer_[layer]; i < first_of_layer_[layer + 1]; ++i) {
    const Place& place = places_[i];
    result.value.push_back(tensors_[i].type == WeightType::float32 ? tensors_[i].values() : nullptr);
    const auto arena = static_cast<std::size_t>(place.arena);
    const bool has = place.arena >= 0 && arena < gradients.size() && gradients[arena] != nullptr;
    result.gradient.push_back(has ? gradients[arena] + place.offset : nullptr);
  }
  return result;
}

std::vector<NamedTensor> TensorStore::trainable_in(std::span<float* const> arenas, const std::string& prefix) const {
  std::vector<NamedTensor> result;
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (places_[i].arena < 0) continue;
    float* const memory = arenas[static_cast<std::size_t>(places_[i].arena)];
    if (memory != nullptr)
      result.push_back({prefix + tensors_[i].name, tensors_[i].shape, memory + places_[i].offset, true});
  }
  return result;
}

}  // namespace onelogit
