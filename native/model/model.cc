#include "model/model.h"

#include <algorithm>
#include <mutex>

#include "error.h"
#include "model/graph.h"
#include "model/inference_pass.h"
#include "model/input.h"
#include "model/tensor_store.h"
#include "model/training_pass.h"

namespace onelogit {

std::size_t last_dense_layer(const ModelSpec& spec) {
  std::size_t count = spec.layers.size();
  if (count > 0 && spec.layers[count - 1].type == "softmax") --count;
  if (count == 0 || spec.layers[count - 1].type != "dense")
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LAYER",
                "Expected a dense layer (its outputs are the logits), or dense and softmax, for the end of the layers "
                "but received " +
                    (count == 0 ? std::string(spec.layers.empty() ? "no layers" : "softmax alone")
                                : "'" + spec.layers[count - 1].type + "'"));
  return count - 1;
}

PreprocessingView Preprocessing::view() const {
  return {scale, static_cast<std::int64_t>(mean.size()), mean.empty() ? nullptr : mean.data(),
          mean.empty() ? nullptr : standard_deviation.data()};
}

struct Model::Implementation {
  Implementation(const ModelSpec& model_spec, Backend& model_backend)
      : owner(model_backend.weak_from_this().lock()),
        backend(model_backend),
        spec(model_spec),
        graph(std::make_shared<const Graph>(spec)),
        store(backend, *graph, spec),
        inference(backend, graph, spec, store) {
    const std::size_t last = graph->last_dense();
    weight = &store.tensors()[store.first_of_layer(last)];
    bias = spec.layers[last].bias ? weight + 1 : nullptr;
  }

  TrainingPass& planned() {
    if (!training)
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL",
                  "Expected plan_training before a training pass but received none");
    return *training;
  }

  std::shared_ptr<Backend> owner;  // of the backend, if it has one
  Backend& backend;
  ModelSpec spec;
  std::shared_ptr<const Graph> graph;
  TensorStore store;
  const NamedTensor *weight, *bias;
  std::mutex inference_mutex;  // predict from several threads takes turns by chunk
  InferencePass inference;
  std::unique_ptr<TrainingPass> training;
};

Model::Model(const ModelSpec& spec, Backend& backend)
    : implementation_(std::make_unique<Implementation>(spec, backend)) {}
Model::~Model() = default;

Backend& Model::backend() const { return implementation_->backend; }
const ModelSpec& Model::spec() const { return implementation_->spec; }
std::int64_t Model::input_size() const { return shape_size(implementation_->spec.input_shape); }
std::int64_t Model::classes() const { return implementation_->weight->shape[0]; }
std::int64_t Model::feature_size() const { return implementation_->weight->shape[1]; }
std::int64_t Model::parameter_count() const { return implementation_->store.parameter_count(); }
bool Model::ends_in_softmax() const {
  return implementation_->graph->last_dense() + 1 < implementation_->graph->nodes().size();
}
const std::vector<NamedTensor>& Model::tensors() const { return implementation_->store.tensors(); }
const NamedTensor& Model::class_weight() const { return *implementation_->weight; }
const NamedTensor* Model::class_bias() const { return implementation_->bias; }

bool Model::predict(const void* examples, ExampleType type, std::int64_t m, Output output, float* out,
                    const std::atomic<bool>* cancelled, std::int64_t number, std::atomic<std::int64_t>* done) {
  Implementation& self = *implementation_;
  const std::int64_t inputs = input_size(), columns = output == Output::features ? feature_size() : classes();
  const Preprocessing none;
  const PreprocessingView view = (preprocessing ? *preprocessing : none).view();
  const std::int64_t rows = self.inference.rows_at_once(output);
  for (std::int64_t first = 0; first < m; first += rows) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return false;
    const std::int64_t count = std::min(rows, m - first);
    const auto* chunk =
        static_cast<const std::byte*>(examples) + static_cast<std::size_t>(first * inputs) * element_bytes(type);
    const std::lock_guard<std::mutex> lock(self.inference_mutex);
    load_input(self.backend, input_kind(self.spec), chunk, type, nullptr, count, inputs, view,
               {nullptr, number + first}, self.inference.input(count));
    const float* result = self.inference.forward(count, output);
    self.backend.download(out + first * columns, result, static_cast<std::size_t>(count * columns) * sizeof(float));
    if (done != nullptr) *done += count;
  }
  return true;
}

void Model::tensors_changed() {
  const std::lock_guard<std::mutex> lock(implementation_->inference_mutex);
  implementation_->inference.tensors_changed();
}

float* Model::inference_input(std::int64_t m) { return implementation_->inference.input(m); }
const float* Model::forward_inference(std::int64_t m, Output output) {
  return implementation_->inference.forward(m, output);
}

void Model::plan_training(std::int64_t m, std::uint64_t seed, PassEnd end) {
  Implementation& self = *implementation_;
  for (std::size_t i = 0; i <= self.graph->last_dense(); ++i) {
    const Layer& layer = *self.graph->nodes()[i].layer;
    if (m < layer.smallest_batch())
      throw Error(ErrorKind::range, "ERR_ONELOGIT_BATCH_SIZE",
                  "Expected at least " + std::to_string(layer.smallest_batch()) + " for batchSize of a model with " +
                      std::string(layer.type()) + " (layer " + std::to_string(i) + ") but received " +
                      std::to_string(m));
  }
  if (self.weight->type != WeightType::float32 && end == PassEnd::logits)
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL",
                "Expected a training pass that ends with the features for a bfloat16 class matrix");
  if (self.training && self.training->is_planned_for(m, seed, end)) return;
  self.training.reset();
  self.training = std::make_unique<TrainingPass>(self.backend, *self.graph, self.store, m, seed, end);
}

float* Model::training_input() { return implementation_->planned().input(); }
const float* Model::forward_training(std::int64_t m, std::uint64_t step) {
  return implementation_->planned().forward(m, step);
}
float* Model::output_gradient() { return implementation_->planned().output_gradient(); }
void Model::backward(std::int64_t m, std::uint64_t step) { implementation_->planned().backward(m, step); }
void Model::restore_running_statistics() { implementation_->planned().restore_running_statistics(); }
const std::vector<ParameterSlice>& Model::parameter_slices(int state_count) {
  return implementation_->planned().parameter_slices(state_count);
}
void Model::plan_row_updates(const OptimizerSpec& optimizer) { implementation_->planned().plan_row_updates(optimizer); }
void Model::add_row_gradient_squares(double* squares) { implementation_->planned().add_row_gradient_squares(squares); }
void Model::update_rows(float learning_rate, std::uint64_t step, const float* gradient_scale) {
  implementation_->planned().update_rows(learning_rate, step, gradient_scale);
}
void Model::catch_up_rows() {
  if (implementation_->training) implementation_->training->catch_up_rows();
}
ParameterRows Model::class_rows() { return implementation_->planned().class_rows(); }
std::vector<NamedTensor> Model::optimizer_tensors() { return implementation_->planned().optimizer_tensors(); }
std::vector<NamedTensor> Model::gradient_tensors() { return implementation_->planned().gradient_tensors(); }
void Model::release_training() { implementation_->training.reset(); }

}  // namespace onelogit
