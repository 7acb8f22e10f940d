#include "metrics/model_scores.h"

#include <algorithm>

namespace onelogit {
namespace {

// Device memory for `count` floats, kept if there is enough.
float* at_least(Buffer& buffer, Backend& backend, std::size_t count) {
  const std::size_t bytes = count * sizeof(float);
  if (buffer.bytes() < bytes) {
    buffer = Buffer();
    buffer = Buffer(backend, bytes);
  }
  return buffer.as<float>();
}

}  // namespace

ModelScores::ModelScores(Model& model, std::vector<float> features)
    : model_(model),
      features_per_example_(model.feature_size()),
      examples_(static_cast<std::int64_t>(features.size()) / features_per_example_),
      features_(std::move(features)) {}

void ModelScores::choose(const std::int64_t* examples, std::int64_t count) {
  const std::int64_t d = features_per_example_;
  chosen_ = count;
  chosen_features_.resize(static_cast<std::size_t>(count * d));
  for (std::int64_t r = 0; r < count; ++r)
    std::copy_n(features_.data() + examples[r] * d, d, chosen_features_.data() + r * d);
  Backend& backend = model_.backend();
  backend.upload(at_least(input_, backend, chosen_features_.size()), chosen_features_.data(),
                 chosen_features_.size() * sizeof(float));
}

float* ModelScores::scores(std::int64_t begin, std::int64_t classes) {
  Backend& backend = model_.backend();
  scores_.resize(std::max(scores_.size(), static_cast<std::size_t>(chosen_ * classes)));
  float* output = at_least(output_, backend, scores_.size());
  const std::int64_t d = features_per_example_, first = begin * d;
  const NamedTensor& weight = model_.class_weight();
  const NamedTensor* bias = model_.class_bias();
  const float* biases = bias == nullptr ? nullptr : static_cast<const float*>(bias->data) + begin;
  const auto* x = input_.as<float>();
  if (weight.type == WeightType::bfloat16)
    backend.dense_forward_bfloat16(x, static_cast<const std::uint16_t*>(weight.data) + first, biases, output, chosen_,
                                   d, classes);
  else
    backend.dense_forward(x, static_cast<const float*>(weight.data) + first, biases, output, chosen_, d, classes);
  backend.download(scores_.data(), output, static_cast<std::size_t>(chosen_ * classes) * sizeof(float));
  return scores_.data();
}

}  // namespace onelogit
