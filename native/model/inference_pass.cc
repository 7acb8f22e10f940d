#include "model/inference_pass.h"

#include <algorithm>

#include "model/fold.h"

namespace onelogit {
namespace {

constexpr std::int64_t buffer_budget = std::int64_t{64} << 20;  // bytes

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

}  // namespace

InferencePass::InferencePass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
                             std::span<const LayerSpec> specs)
    : backend_(backend) {
  widest_hidden_ = shape_size(layers.front()->input_shape());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Step step;
    step.layer = layers[i].get();
    step.tensors = store.of_layer(i, {});
    if (i > 0 && layers[i]->type() == "batchNorm" && layers[i - 1]->type() == "dense") {
      steps_.back().folds = step.folded = true;
      step.epsilon = specs[i].epsilon;
    }
    const std::int64_t size = shape_size(layers[i]->output_shape());
    if (i + 1 < layers.size())
      widest_hidden_ = std::max(widest_hidden_, size);
    else
      classes_ = size;
    steps_.push_back(std::move(step));
  }
  const NamedTensor& weight = store.tensors()[store.first_of_layer(layers.size() - 1)];
  if (weight.type == WeightType::bfloat16) bfloat16_weight_ = weight.data;
}

std::int64_t InferencePass::rows_at_once(Output output) const {
  const std::int64_t widest = output == Output::features ? widest_hidden_ : std::max(widest_hidden_, classes_);
  return std::clamp<std::int64_t>(buffer_budget / (widest * 4), 1, max_inference_rows);
}

float* InferencePass::input(std::int64_t m) {
  if (m > hidden_rows_) {
    // Freed first, so that growing never holds both.
    input_ = Buffer();
    for (Buffer& hidden : hidden_) hidden = Buffer();
    hidden_rows_ = 0;
    input_ = Buffer(backend_, bytes_of(m * shape_size(steps_.front().layer->input_shape())));
    for (Buffer& hidden : hidden_) hidden = Buffer(backend_, bytes_of(m * widest_hidden_));
    hidden_rows_ = m;
  }
  return input_.as<float>();
}

const float* InferencePass::forward(std::int64_t m, Output output) {
  if (!folded_) fold();
  float* x = input_.as<float>();
  std::size_t next_hidden = 0;
  const Pass pass{backend_, m, false, 0, 0};
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const LayerMemory memory = step.layer->memory();
    if (memory.identity || step.folded) continue;
    float* y = x;
    if (!memory.output_in_place) {
      y = hidden_[next_hidden].as<float>();
      next_hidden = 1 - next_hidden;
    }
    if (step.folds)
      backend_.dense_forward(x, step.folded_weight.as<float>(), step.folded_bias.as<float>(), y, m,
                             shape_size(step.layer->input_shape()), shape_size(step.layer->output_shape()));
    else
      step.layer->forward(pass, step.tensors, x, y, nullptr);
    x = y;
  }
  if (output == Output::features) return x;
  const Step& last = steps_.back();
  const std::int64_t classes = shape_size(last.layer->output_shape());
  if (m > logits_rows_) {
    logits_ = Buffer();
    logits_rows_ = 0;
    logits_ = Buffer(backend_, bytes_of(m * classes));
    logits_rows_ = m;
  }
  float* logits = logits_.as<float>();
  if (bfloat16_weight_ != nullptr)
    backend_.dense_forward_bfloat16(x, static_cast<const std::uint16_t*>(bfloat16_weight_),
                                    last.tensors.value.size() > 1 ? last.tensors.value[1] : nullptr, logits, m,
                                    shape_size(last.layer->input_shape()), classes);
  else
    last.layer->forward(pass, last.tensors, x, logits, nullptr);
  if (output == Output::softmax) backend_.softmax_forward(logits, logits, m, classes);
  return logits;
}

void InferencePass::fold() {
  for (std::size_t i = 0; i + 1 < steps_.size(); ++i)
    if (steps_[i].folds) fold(steps_[i], steps_[i + 1]);
  folded_ = true;
}

void InferencePass::fold(Step& dense, const Step& batch_norm) {
  const std::int64_t inputs = shape_size(dense.layer->input_shape()), units = shape_size(dense.layer->output_shape());
  if (dense.folded_weight.bytes() == 0) {
    dense.folded_weight = Buffer(backend_, bytes_of(units * inputs));
    dense.folded_bias = Buffer(backend_, bytes_of(units));
  }
  fold_batch_norm(backend_, dense.tensors, batch_norm.tensors, batch_norm.epsilon, units, inputs,
                  dense.folded_weight.as<float>(), dense.folded_bias.as<float>());
}

}  // namespace onelogit
