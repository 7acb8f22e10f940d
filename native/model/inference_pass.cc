#include "model/inference_pass.h"

#include <algorithm>
#include <vector>

#include "model/memory_blocks.h"

namespace onelogit {
namespace {

constexpr std::int64_t memory_budget = std::int64_t{64} << 20;  // bytes

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

}  // namespace

InferencePass::InferencePass(Backend& backend, const std::shared_ptr<const Graph>& graph, const ModelSpec& spec,
                             const TensorStore& store)
    : backend_(backend), store_(store), graph_(graph), predictor_(graph, spec) {
  const std::size_t last = graph->last_dense(), first_tensor = store.first_of_layer(last);
  weight_ = &store.tensors()[first_tensor];
  if (spec.layers[last].bias) bias_ = store.tensors()[first_tensor + 1].values();
  classes_ = weight_->shape[0];
  features_ = weight_->shape[1];
}

std::int64_t InferencePass::rows_at_once(Output output) const {
  const std::int64_t hidden = predictor_.memory_per_example();
  const std::int64_t most = output == Output::features ? hidden : std::max(hidden, classes_);
  return std::clamp<std::int64_t>(memory_budget / (most * 4), 1, max_inference_rows);
}

float* InferencePass::input(std::int64_t m) {
  if (m > hidden_rows_) {
    check_memory(static_cast<double>(m) * static_cast<double>(predictor_.memory_per_example()));
    // Freed first, so that growing never holds both.
    hidden_ = Buffer();
    hidden_rows_ = 0;
    hidden_ = Buffer(backend_, bytes_of(m * predictor_.memory_per_example()));
    hidden_rows_ = m;
  }
  return predictor_.input(hidden_.as<float>(), m);
}

const float* InferencePass::forward(std::int64_t m, Output output) {
  if (!prepared_) prepare();
  const float* const features = predictor_.forward(backend_, hidden_.as<float>(), m);
  if (output == Output::features) return features;
  if (m > logits_rows_) {
    logits_ = Buffer();
    logits_rows_ = 0;
    logits_ = Buffer(backend_, bytes_of(m * classes_));
    logits_rows_ = m;
  }
  float* const logits = logits_.as<float>();
  if (weight_->type == WeightType::bfloat16)
    backend_.dense_forward_bfloat16(features, static_cast<const std::uint16_t*>(weight_->data), bias_, logits, m,
                                    features_, classes_);
  else
    backend_.dense_forward(features, weight_->values(), bias_, logits, m, features_, classes_);
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
