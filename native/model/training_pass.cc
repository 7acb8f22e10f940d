#include "model/training_pass.h"

#include <algorithm>

#include "random/keys.h"

namespace onelogit {

TrainingPass::TrainingPass(Backend& backend, std::span<const std::unique_ptr<Layer>> layers, const TensorStore& store,
                           std::int64_t m, std::uint64_t seed)
    : backend_(backend), store_(store), m_(m), seed_(seed) {
  parameter_gradients_ = Buffer(backend, static_cast<std::size_t>(store.parameters_size()) * sizeof(float));
  statistics_before_ = Buffer(backend, store.statistics().bytes());
  for (std::size_t i = 0; i < layers.size(); ++i)
    steps_.push_back({layers[i].get(), store.of_layer(i, parameter_gradients_.as<float>()), nullptr, nullptr, nullptr,
                      nullptr, nullptr, mix_key(seed, i)});
  plan_activations();
  plan_gradients();
}

// A layer writes into its input's memory when it can and when no earlier layer on that memory reads it again in
// backward.
void TrainingPass::plan_activations() {
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
  std::int64_t current = take(m_ * shape_size(steps_.front().layer->input_shape()));
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
    return std::any_of(gradient.begin(), gradient.end(), [](const float* g) { return g != nullptr; });
  };
  first_trained_ = static_cast<std::size_t>(std::find_if(steps_.begin(), steps_.end(), trained) - steps_.begin());
  std::int64_t largest = 0;
  for (std::size_t i = first_trained_; i < steps_.size(); ++i)
    largest = std::max(largest, shape_size(steps_[i].layer->output_shape()));
  const std::int64_t size = padded(m_ * largest);
  activation_gradients_ = Buffer(backend_, static_cast<std::size_t>(2 * size) * sizeof(float));
  float* const base = activation_gradients_.as<float>();
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
  for (const Step& s : steps_)
    if (!s.layer->memory().identity) s.layer->forward(pass(s, m, step), s.tensors, s.x, s.y, s.saved);
  return steps_.back().y;
}

void TrainingPass::backward(std::int64_t m, std::uint64_t step) {
  for (std::size_t i = steps_.size(); i-- > first_trained_;) {
    const Step& s = steps_[i];
    if (!s.layer->memory().identity) s.layer->backward(pass(s, m, step), s.tensors, s.x, s.y, s.dy, s.dx, s.saved);
  }
}

void TrainingPass::restore_running_statistics() {
  if (statistics_before_.bytes() > 0)
    backend_.copy(store_.statistics().data(), statistics_before_.data(), statistics_before_.bytes());
}

const std::vector<ParameterSlice>& TrainingPass::parameter_slices(int state_count) {
  while (static_cast<int>(states_.size()) < state_count)
    states_.emplace_back(backend_, static_cast<std::size_t>(store_.parameters_size()) * sizeof(float));
  ParameterSlice slice{
      store_.parameters(), parameter_gradients_.as<float>(), {nullptr, nullptr}, store_.parameters_size()};
  for (std::size_t i = 0; i < states_.size() && i < std::size(slice.state); ++i)
    slice.state[i] = states_[i].as<float>();
  slices_.assign(1, slice);
  return slices_;
}

std::vector<NamedTensor> TrainingPass::optimizer_tensors() const {
  std::vector<NamedTensor> result;
  for (std::size_t i = 0; i < states_.size(); ++i)
    for (NamedTensor& tensor : store_.trainable_in(states_[i].as<float>(), "optimizer." + std::to_string(i) + "."))
      result.push_back(std::move(tensor));
  return result;
}

std::vector<NamedTensor> TrainingPass::gradient_tensors() const {
  return store_.trainable_in(parameter_gradients_.as<float>(), "");
}

}  // namespace onelogit
