#include "head/trunk.h"

#include <algorithm>

#include "model/fold.h"

namespace onelogit {
namespace {

constexpr std::int64_t buffer_budget = std::int64_t{16} << 20;  // bytes of one buffer of a pass over many examples

std::size_t bytes_of(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }

}  // namespace

Trunk::Trunk(const ModelSpec& spec, const Preprocessing& preprocessing, Backend& backend, const Fill& fill)
    : owner_(backend.weak_from_this().lock()),
      backend_(backend),
      preprocessing_(preprocessing),
      input_(input_kind(spec)),
      input_size_(shape_size(spec.input_shape)),
      architecture_(describe_shape(spec.input_shape)) {
  Shape shape = spec.input_shape;
  const std::size_t last = last_dense_layer(spec);
  for (std::size_t i = 0; i < last; ++i) {
    Step step;
    step.layer = make_layer(spec.layers[i], shape);
    shape = step.layer->output_shape();
    // Copies of what is there already: flatten, and dropout when nothing is dropped.
    const bool computes = !step.layer->memory().identity && step.layer->type() != "dropout";
    if (computes) architecture_ += ", " + std::string(step.layer->type()) + " " + describe_shape(shape);
    if (step.layer->type() == "embedding")
      architecture_ += " of " + std::to_string(step.layer->tensor_specs().front().shape.front());
    widest_ = std::max(widest_, shape_size(shape));
    for (const TensorSpec& tensor : step.layer->tensor_specs()) {
      step.memory.emplace_back(backend, bytes_of(shape_size(tensor.shape)));
      float* const data = step.memory.back().as<float>();
      fill({std::to_string(i) + "." + tensor.name, tensor.shape, data, tensor.trainable});
      step.tensors.value.push_back(data);
      step.tensors.gradient.push_back(nullptr);
    }
    if (!steps_.empty() && step.layer->type() == "batchNorm" && steps_.back().layer->type() == "dense") {
      fold(steps_.back(), step, spec.layers[i].epsilon);
      continue;
    }
    if (!computes) continue;
    steps_.push_back(std::move(step));
  }
  feature_size_ = shape_size(shape);
  identity_ = steps_.empty() && preprocessing_.scale == 1.0f && preprocessing_.mean.empty();
  rows_at_once_ = std::clamp<std::int64_t>(
      buffer_budget / static_cast<std::int64_t>(bytes_of(std::max(widest_, input_size_))), 1, max_inference_rows);
}

void Trunk::fold(Step& dense, const Step& batch_norm, float epsilon) {
  const std::int64_t inputs = shape_size(dense.layer->input_shape()), units = shape_size(dense.layer->output_shape());
  Buffer weight(backend_, bytes_of(units * inputs)), bias(backend_, bytes_of(units));
  fold_batch_norm(backend_, dense.tensors, batch_norm.tensors, epsilon, units, inputs, weight.as<float>(),
                  bias.as<float>());
  dense.tensors.value = {weight.as<float>(), bias.as<float>()};
  dense.memory.clear();
  dense.memory.push_back(std::move(weight));
  dense.memory.push_back(std::move(bias));
}

const float* Trunk::forward(std::int64_t m, Scratch& scratch) const {
  float* x = scratch.input.as<float>();
  std::size_t next = 0;
  for (const Step& step : steps_) {
    float* y = x;
    if (!step.layer->memory().output_in_place) {
      y = scratch.hidden[next].as<float>();
      next = 1 - next;
    }
    if (step.layer->type() == "dense")
      backend_.dense_forward(x, step.tensors.value[0], step.tensors.value.size() > 1 ? step.tensors.value[1] : nullptr,
                             y, m, shape_size(step.layer->input_shape()), shape_size(step.layer->output_shape()));
    else
      step.layer->forward({backend_, m, false, 0, 0}, step.tensors, x, y, nullptr);
    x = y;
  }
  return x;
}

// Calls body(first, count, features in the backend's memory) for all examples.
template <class Body>
bool Trunk::for_chunks(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch,
                       const std::atomic<bool>* cancelled, std::int64_t number, const Body& body) const {
  const std::int64_t rows = std::min(m, rows_at_once_);
  if (rows > scratch.rows) {
    // Freed first, so that growing never holds both.
    scratch = Scratch();
    scratch.input = Buffer(backend_, bytes_of(rows * input_size_));
    for (Buffer& hidden : scratch.hidden) hidden = Buffer(backend_, bytes_of(rows * widest_));
    scratch.rows = rows;
  }
  for (std::int64_t first = 0; first < m; first += rows) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return false;
    const std::int64_t count = std::min(rows, m - first);
    const auto* chunk =
        static_cast<const std::byte*>(examples) + static_cast<std::size_t>(first * input_size_) * element_bytes(type);
    load_input(backend_, input_, chunk, type, nullptr, count, input_size_, preprocessing_.view(),
               {nullptr, number + first}, scratch.input.as<float>());
    body(first, count, forward(count, scratch));
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
