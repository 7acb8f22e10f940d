#include "model/inference_pass.h"

#include <algorithm>
#include <vector>

namespace onelogit {
namespace {

// Bytes. Outputs of layers are soon out of a processor's caches; a GPU wants much to do at a time.
constexpr std::int64_t hidden_on_gpu = std::int64_t{1} << 30;

}  // namespace

InferencePass::InferencePass(Backend& backend, const std::shared_ptr<const Graph>& graph, const ModelSpec& spec,
                             const TensorStore& store)
    : backend_(backend), store_(store), graph_(graph), predictor_(graph, spec) {
  const std::size_t last = graph->last_dense(), first_tensor = store.first_of_layer(last);
  weight_ = &store.tensors()[first_tensor];
  if (spec.layers[last].bias) bias_ = store.tensors()[first_tensor + 1].values();
  input_size_ = shape_size(spec.input_shape);
  classes_ = weight_->shape[0];
  feature_size_ = weight_->shape[1];
  const std::int64_t budget = backend.name() == "cpu" ? inference_memory : hidden_on_gpu;
  most_at_once_ = std::max<std::int64_t>(budget / (predictor_.memory_per_example() * 4), 1);
}

std::int64_t InferencePass::rows_at_once(Output output) const {
  const std::int64_t most = std::max({input_size_, feature_size_, output == Output::features ? 1 : classes_});
  return std::clamp<std::int64_t>(inference_memory / (most * 4), 1, max_inference_rows);
}

float* InferencePass::input(std::int64_t m) {
  if (m > rows_) {
    // Freed first, so that growing never holds both.
    for (Buffer* buffer : {&hidden_, &inputs_, &features_}) *buffer = Buffer();
    rows_ = 0;
    hidden_ = Buffer(backend_, bytes_of(std::min(m, most_at_once_) * predictor_.memory_per_example()));
    if (m > most_at_once_) {
      inputs_ = Buffer(backend_, bytes_of(m * input_size_));
      features_ = Buffer(backend_, bytes_of(m * feature_size_));
    }
    rows_ = m;
  }
  return m > most_at_once_ ? inputs_.as<float>() : predictor_.input(hidden_.as<float>(), m);
}

const float* InferencePass::features(std::int64_t m) {
  float* const memory = hidden_.as<float>();
  if (m <= most_at_once_) return predictor_.forward(backend_, memory, m);
  for (std::int64_t first = 0; first < m; first += most_at_once_) {
    const std::int64_t count = std::min(most_at_once_, m - first);
    backend_.copy(predictor_.input(memory, count), inputs_.as<float>() + first * input_size_,
                  bytes_of(count * input_size_));
    backend_.copy(features_.as<float>() + first * feature_size_, predictor_.forward(backend_, memory, count),
                  bytes_of(count * feature_size_));
  }
  return features_.as<float>();
}

const float* InferencePass::forward(std::int64_t m, Output output) {
  if (!prepared_) prepare();
  const float* const last_input = features(m);
  if (output == Output::features) return last_input;
  if (m > logits_rows_) {
    logits_ = Buffer();
    logits_rows_ = 0;
    logits_ = Buffer(backend_, bytes_of(m * classes_));
    logits_rows_ = m;
  }
  float* const logits = logits_.as<float>();
  if (weight_->type == WeightType::bfloat16)
    backend_.dense_forward_bfloat16(last_input, static_cast<const std::uint16_t*>(weight_->data), bias_, logits, m,
                                    feature_size_, classes_);
  else
    backend_.dense_forward(last_input, weight_->values(), bias_, logits, m, feature_size_, classes_);
  if (output == Output::softmax) backend_.softmax_forward(logits, logits, m, classes_);
  return logits;
}

void InferencePass::prepare() {
  std::vector<LayerTensors> tensors;
  tensors.reserve(graph_->last_dense());
  for (std::size_t i = 0; i < graph_->last_dense(); ++i) tensors.push_back(store_.of_layer(i, {}));
  predictor_.prepare(backend_, tensors);
  prepared_ = true;
}

}  // namespace onelogit
