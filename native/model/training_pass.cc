#include "model/training_pass.h"

#include <algorithm>

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

TrainingPass::TrainingPass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
                           std::int64_t m, std::uint64_t seed, Model::PassEnd end)
    : backend_(backend), store_(store), m_(m), seed_(seed), end_(end), last_layer_(layers.size() - 1) {
  statistics_before_ = Buffer(backend, store.statistics().bytes());
  for (std::size_t arena = 0; arena < store.arena_count(); ++arena) {
    // An embedding's table has an arena and no gradient of its size.
    const bool of_last = arena >= store.arena_of(store.first_of_layer(layers.size() - 1));
    const bool whole = arena == TensorStore::dense_arena || (of_last && end == Model::PassEnd::logits);
    gradients_.emplace_back(backend,
                            whole ? static_cast<std::size_t>(store.arena_size(arena)) * sizeof(float) : std::size_t{0});
  }
  const std::vector<float*> gradients = addresses(gradients_);
  const std::size_t count = end == Model::PassEnd::logits ? layers.size() : layers.size() - 1;
  for (std::size_t i = 0; i < count; ++i)
    steps_.push_back({i,
                      layers[i].get(),
                      store.of_layer(i, gradients),
                      nullptr,
                      nullptr,
                      nullptr,
                      nullptr,
                      nullptr,
                      mix_key(seed, i),
                      {}});
  plan_activations(shape_size(layers.front()->input_shape()));
  plan_gradients();
}

// A layer writes into its input's memory when it can and when no earlier layer on that memory reads it again in
// backward.
void TrainingPass::plan_activations(std::int64_t input_size) {
  constexpr std::int64_t none = -1;
  struct Offsets {
    std::int64_t x, y, saved;
  };
  std::vector<Offsets> offsets;
  std::int64_t total = 0;
  const auto take = [&](std::int64_t size) {
    const std::int64_t offset = total;
    total += padded(size);
    return offset;
  };
  std::int64_t current = take(m_ * input_size);
  bool read_again = false;
  for (const Step& step : steps_) {
    const LayerMemory memory = step.layer->memory();
    Offsets here{current, current, none};
    if (!memory.identity && (!memory.output_in_place || read_again)) {
      here.y = take(m_ * shape_size(step.layer->output_shape()));
      read_again = false;
    }
    read_again |= memory.backward_reads_output;
    if (const std::int64_t saved = step.layer->saved_size(m_); saved > 0) here.saved = take(saved);
    current = here.y;
    offsets.push_back(here);
  }
  activations_ = Buffer(backend_, static_cast<std::size_t>(total) * sizeof(float));
  float* base = activations_.as<float>();
  input_ = base;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    steps_[i].x = base + offsets[i].x;
    steps_[i].y = base + offsets[i].y;
    steps_[i].saved = offsets[i].saved == none ? nullptr : base + offsets[i].saved;
  }
}

// Gradients of activations live until the layer before has used them: two buffers take turns.
void TrainingPass::plan_gradients() {
  const auto trained = [](const Step& step) {
    const auto& gradient = step.tensors.gradient;
    return step.is_embedding() ||
           std::any_of(gradient.begin(), gradient.end(), [](const float* g) { return g != nullptr; });
  };
  first_trained_ = static_cast<std::size_t>(std::find_if(steps_.begin(), steps_.end(), trained) - steps_.begin());
  std::int64_t largest = 0;
  for (std::size_t i = first_trained_; i < steps_.size(); ++i)
    largest = std::max(largest, shape_size(steps_[i].layer->output_shape()));
  const std::int64_t size = padded(m_ * largest);
  activation_gradients_ = Buffer(backend_, static_cast<std::size_t>(2 * size) * sizeof(float));
  float* const base = activation_gradients_.as<float>();
  output_gradient_ = first_trained_ < steps_.size() ? base : nullptr;
  float* current = base;
  for (std::size_t i = steps_.size(); i-- > first_trained_;) {
    Step& step = steps_[i];
    const LayerMemory memory = step.layer->memory();
    step.dy = current;
    if (memory.identity || memory.gradient_in_place)
      step.dx = current;
    else
      step.dx = i == first_trained_ ? nullptr : current == base ? base + size : base;
    current = step.dx;
  }
}

Pass TrainingPass::pass(const Step& step_of_layer, std::int64_t m, std::uint64_t step) const {
  return {backend_, m, true, step_of_layer.seed, step};
}

const float* TrainingPass::forward(std::int64_t m, std::uint64_t step) {
  if (statistics_before_.bytes() > 0)
    backend_.copy(statistics_before_.data(), store_.statistics().data(), statistics_before_.bytes());
  for (const Step& s : steps_) {
    if (s.is_embedding())
      s.rows->forward(reinterpret_cast<const std::int32_t*>(s.x), s.input_size(m), s.y);
    else if (!s.layer->memory().identity)
      s.layer->forward(pass(s, m, step), s.tensors, s.x, s.y, s.saved);
  }
  return steps_.empty() ? input_ : steps_.back().y;
}

void TrainingPass::backward(std::int64_t m, std::uint64_t step) {
  for (std::size_t i = steps_.size(); i-- > first_trained_;) {
    const Step& s = steps_[i];
    if (s.is_embedding())
      s.rows->backward(reinterpret_cast<const std::int32_t*>(s.x), s.input_size(m), s.dy);
    else if (!s.layer->memory().identity)
      s.layer->backward(pass(s, m, step), s.tensors, s.x, s.y, s.dy, s.dx, s.saved);
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
    if (s.is_embedding())
      s.rows = backend_.make_embedding_training(rows_of(store_.first_of_layer(s.index), false), optimizer);
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
