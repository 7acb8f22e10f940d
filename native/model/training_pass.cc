#include "model/training_pass.h"

#include <algorithm>

#include "model/training_plan.h"
#include "random/keys.h"

namespace onelogit {

namespace {

std::vector<float*> addresses(const std::vector<Buffer>& buffers) {
  std::vector<float*> result;
  result.reserve(buffers.size());
  for (const Buffer& buffer : buffers) result.push_back(buffer.as<float>());
  return result;
}

}  // namespace

TrainingPass::TrainingPass(Backend& backend, const Graph& graph, const TensorStore& store, std::int64_t m,
                           std::uint64_t seed, Model::PassEnd end)
    : backend_(backend), store_(store), m_(m), seed_(seed), end_(end), last_layer_(graph.last_dense()) {
  statistics_before_ = Buffer(backend, store.statistics().bytes());
  for (std::size_t arena = 0; arena < store.arena_count(); ++arena) {
    // An embedding's table has an arena and no gradient of its size.
    const bool of_last = arena >= store.arena_of(store.first_of_layer(last_layer_));
    const bool whole = arena == TensorStore::dense_arena || (of_last && end == Model::PassEnd::logits);
    gradients_.emplace_back(backend,
                            whole ? static_cast<std::size_t>(store.arena_size(arena)) * sizeof(float) : std::size_t{0});
  }
  make_steps(graph);
  place_steps(graph);
}

void TrainingPass::make_steps(const Graph& graph) {
  const std::vector<float*> gradients = addresses(gradients_);
  const std::size_t count = end_ == Model::PassEnd::logits ? last_layer_ + 1 : last_layer_;
  for (std::size_t i = 0; i < count; ++i) {
    Step step;
    step.index = i;
    step.layer = graph.nodes()[i].layer.get();
    step.joining = graph.nodes()[i].joining();
    step.tensors = store_.of_layer(i, gradients);
    step.seed = mix_key(seed_, i);
    const auto specs = step.layer->tensor_specs();
    step.by_rows = !specs.empty() && specs.front().by_rows && store_.tensors()[store_.first_of_layer(i)].trainable;
    steps_.push_back(std::move(step));
  }
}

void TrainingPass::place_steps(const Graph& graph) {
  std::vector<bool> trained;
  trained.reserve(steps_.size());
  for (const Step& step : steps_) {
    const auto& own = step.tensors.gradient;
    trained.push_back(step.by_rows || std::any_of(own.begin(), own.end(), [](const float* g) { return g != nullptr; }));
  }
  const TrainingPlan plan = plan_training(graph, steps_.size(), trained, m_);
  memory_ = Buffer(backend_, static_cast<std::size_t>(plan.size) * sizeof(float));
  float* const base = memory_.as<float>();
  const auto at = [&](std::int64_t place) { return place == TrainingPlan::nowhere ? nullptr : base + place; };
  input_ = at(plan.input);
  output_gradient_ = at(plan.output_gradient);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    Step& step = steps_[i];
    const TrainingPlan::Step& planned = plan.steps[i];
    for (const std::int64_t place : planned.x) step.x.push_back(at(place));
    step.y = at(planned.y);
    step.saved = at(planned.saved);
    step.dy = at(planned.dy);
    step.runs_backward = planned.runs_backward;
    for (const TrainingPlan::InputGradient& gradient : planned.gradients)
      step.gradients.push_back(
          {gradient.input, at(gradient.dx), at(gradient.sum), graph.size(graph.nodes()[i].inputs[gradient.input])});
  }
}

Pass TrainingPass::pass(const Step& step_of_layer, std::int64_t m, std::uint64_t step) const {
  return {backend_, m, true, step_of_layer.seed, step};
}

const float* TrainingPass::forward(std::int64_t m, std::uint64_t step) {
  if (statistics_before_.bytes() > 0)
    backend_.copy(statistics_before_.data(), store_.statistics().data(), statistics_before_.bytes());
  for (const Step& s : steps_) {
    if (s.by_rows)
      s.rows->forward(s.ids(), s.input_size(m), s.y);
    else if (s.joining != nullptr)
      s.joining->join(pass(s, m, step), s.x, s.y);
    else if (!s.layer->memory().identity)
      s.layer->forward(pass(s, m, step), s.tensors, s.x.front(), s.y, s.saved);
  }
  return steps_.empty() ? input_ : steps_.back().y;
}

void TrainingPass::backward(std::int64_t m, std::uint64_t step) {
  for (auto s = steps_.rbegin(); s != steps_.rend(); ++s)
    if (s->runs_backward) backward(*s, pass(*s, m, step));
}

void TrainingPass::backward(const Step& s, const Pass& pass) {
  if (s.joining == nullptr) {
    float* const dx = s.gradients.empty() ? nullptr : s.gradients.front().dx;
    if (s.by_rows)
      s.rows->backward(s.ids(), s.input_size(pass.examples), s.dy);
    else if (!s.layer->memory().identity)
      s.layer->backward(pass, s.tensors, s.x.front(), s.y, s.dy, dx, s.saved);
  }
  for (const InputGradient& gradient : s.gradients) {
    if (s.joining != nullptr && gradient.dx != s.dy) s.joining->split(pass, gradient.input, s.dy, gradient.dx);
    if (gradient.sum != nullptr) backend_.add(gradient.sum, gradient.dx, gradient.sum, pass.examples * gradient.size);
  }
}

void TrainingPass::restore_running_statistics() {
  if (statistics_before_.bytes() > 0)
    backend_.copy(store_.statistics().data(), statistics_before_.data(), statistics_before_.bytes());
}

const std::vector<ParameterSlice>& TrainingPass::parameter_slices(int state_count) {
  while (static_cast<int>(states_.size()) < state_count) {
    std::vector<Buffer>& state = states_.emplace_back();
    for (std::size_t arena = 0; arena < store_.arena_count(); ++arena)
      state.emplace_back(backend_, static_cast<std::size_t>(store_.arena_size(arena)) * sizeof(float));
  }
  slices_.clear();
  for (std::size_t arena = 0; arena < store_.arena_count(); ++arena) {
    if (gradients_[arena].data() == nullptr) continue;
    ParameterSlice slice{static_cast<float*>(store_.arena_data(arena)),
                         gradients_[arena].as<float>(),
                         {nullptr, nullptr},
                         store_.arena_size(arena)};
    for (std::size_t i = 0; i < states_.size() && i < std::size(slice.state); ++i)
      slice.state[i] = states_[i][arena].as<float>();
    slices_.push_back(slice);
  }
  return slices_;
}

ParameterRows TrainingPass::rows_of(std::size_t weight, bool bias) const {
  const NamedTensor& tensor = store_.tensors()[weight];
  ParameterRows result;
  result.value = tensor.data;
  result.type = tensor.type;
  result.rows = tensor.shape[0];
  result.columns = tensor.shape[1];
  if (bias) result.bias = store_.tensors()[weight + 1].values();
  for (std::size_t i = 0; i < states_.size() && i < std::size(result.state); ++i) {
    result.state[i] = states_[i][store_.arena_of(weight)].as<float>();
    if (bias) result.bias_state[i] = states_[i][store_.arena_of(weight + 1)].as<float>();
  }
  return result;
}

ParameterRows TrainingPass::class_rows() const {
  const std::size_t weight = store_.first_of_layer(last_layer_);
  return rows_of(weight, store_.first_of_layer(last_layer_ + 1) > weight + 1);
}

void TrainingPass::plan_row_updates(const OptimizerSpec& optimizer) {
  for (Step& s : steps_)
    if (s.by_rows) s.rows = backend_.make_embedding_training(rows_of(store_.first_of_layer(s.index), false), optimizer);
}
void TrainingPass::add_row_gradient_squares(double* squares) {
  for (Step& s : steps_)
    if (s.rows) s.rows->add_gradient_squares(squares);
}
void TrainingPass::update_rows(float learning_rate, std::uint64_t step, const float* gradient_scale) {
  for (Step& s : steps_)
    if (s.rows) s.rows->update(learning_rate, step, gradient_scale);
}
void TrainingPass::catch_up_rows() {
  for (Step& s : steps_)
    if (s.rows) s.rows->catch_up();
}

std::vector<NamedTensor> TrainingPass::optimizer_tensors() const {
  std::vector<NamedTensor> result;
  for (std::size_t i = 0; i < states_.size(); ++i)
    for (NamedTensor& tensor : store_.trainable_in(addresses(states_[i]), "optimizer." + std::to_string(i) + "."))
      result.push_back(std::move(tensor));
  return result;
}

std::vector<NamedTensor> TrainingPass::gradient_tensors() const {
  return store_.trainable_in(addresses(gradients_), "");
}

}  // namespace onelogit
