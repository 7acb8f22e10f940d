#include "head/trunk.h"

#include <algorithm>

#include "model/graph.h"

namespace onelogit {

Trunk::Trunk(const ModelSpec& spec, const Preprocessing& preprocessing, Backend& backend, const Fill& fill)
    : owner_(backend.weak_from_this().lock()),
      backend_(backend),
      preprocessing_(preprocessing),
      input_(input_kind(spec)),
      input_size_(shape_size(spec.input_shape)),
      predictor_(std::make_shared<const Graph>(spec), spec),
      architecture_(describe_shape(spec.input_shape)) {
  const Graph& graph = predictor_.graph();
  const std::size_t last = graph.last_dense();
  std::vector<LayerTensors> layers(last);
  std::vector<Buffer> folded;  // until they are
  for (std::size_t i = 0; i < last; ++i) {
    const std::string prefix = tensor_prefix(spec.layers[i], i) + ".";
    for (const TensorSpec& tensor : graph.nodes()[i].layer->tensor_specs()) {
      Buffer memory(backend, bytes_of(shape_size(tensor.shape)));
      fill({prefix + tensor.name, tensor.shape, memory.data(), tensor.trainable});
      layers[i].value.push_back(memory.as<float>());
      layers[i].gradient.push_back(nullptr);
      (predictor_.reads_tensors(i) ? tensors_ : folded).push_back(std::move(memory));
    }
  }
  predictor_.prepare(backend, layers);
  feature_size_ = graph.nodes()[last].layer->tensor_specs().front().shape[1];
  identity_ = predictor_.is_identity() && preprocessing_.scale == 1.0f && preprocessing_.mean.empty();
  if (!predictor_.is_identity()) architecture_ += ", " + predictor_.description();
  rows_at_once_ = std::clamp<std::int64_t>(
      inference_memory / static_cast<std::int64_t>(bytes_of(predictor_.memory_per_example())), 1, max_inference_rows);
}

// Calls body(first, count, features in the backend's memory) for all examples.
template <class Body>
bool Trunk::for_chunks(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch,
                       const std::atomic<bool>* cancelled, std::int64_t number, const Body& body) const {
  const std::int64_t rows = std::min(m, rows_at_once_);
  if (rows > scratch.rows) {
    // Freed first, so that growing never holds both.
    scratch = Scratch();
    scratch.memory = Buffer(backend_, bytes_of(rows * predictor_.memory_per_example()));
    scratch.rows = rows;
  }
  for (std::int64_t first = 0; first < m; first += rows) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return false;
    const std::int64_t count = std::min(rows, m - first);
    const auto* chunk =
        static_cast<const std::byte*>(examples) + static_cast<std::size_t>(first * input_size_) * element_bytes(type);
    load_input(backend_, input_, chunk, type, nullptr, count, input_size_, preprocessing_.view(),
               {nullptr, number + first}, predictor_.input(scratch.memory.as<float>(), count));
    body(first, count, predictor_.forward(backend_, scratch.memory.as<float>(), count));
  }
  return true;
}

bool Trunk::features(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch, float* out,
                     const std::atomic<bool>* cancelled, std::int64_t number) const {
  return for_chunks(examples, type, m, scratch, cancelled, number,
                    [&](std::int64_t first, std::int64_t count, const float* features) {
                      backend_.download(out + first * feature_size_, features, bytes_of(count * feature_size_));
                    });
}

bool Trunk::products(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch, const float* row,
                     float bias, float* out, const std::atomic<bool>* cancelled) const {
  return for_chunks(examples, type, m, scratch, cancelled, 0,
                    [&](std::int64_t first, std::int64_t count, const float* features) {
                      if (scratch.row.bytes() == 0) {
                        scratch.row = Buffer(backend_, bytes_of(feature_size_));
                        scratch.products = Buffer(backend_, bytes_of(scratch.rows));
                      }
                      if (first == 0) backend_.upload(scratch.row.data(), row, bytes_of(feature_size_));
                      backend_.score_column(features, scratch.row.as<float>(), bias, scratch.products.as<float>(),
                                            count, feature_size_);
                      backend_.download(out + first, scratch.products.data(), bytes_of(count));
                    });
}

}  // namespace onelogit
