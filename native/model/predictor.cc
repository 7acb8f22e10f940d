#include "model/predictor.h"

#include <algorithm>
#include <utility>

#include "layer/layers.h"
#include "model/fold.h"
#include "model/memory_blocks.h"

namespace onelogit {
namespace {

// Copies of what is there already: flatten, and dropout when nothing is dropped.
bool is_copy(const Layer& layer) { return layer.memory().identity || layer.type() == "dropout"; }

const ConvolutionLayer* as_convolution(const Layer& layer) { return dynamic_cast<const ConvolutionLayer*>(&layer); }

}  // namespace

Predictor::Predictor(std::shared_ptr<const Graph> graph, const ModelSpec& spec)
    : graph_(std::move(graph)),
      specs_(spec.layers),
      same_as_(graph_->last_dense() + 1),
      readers_(graph_->last_dense() + 1) {
  const auto& nodes = graph_->nodes();
  const std::size_t count = graph_->last_dense();
  // The features are read by the last layer.
  for (std::size_t value : nodes[count].inputs) ++readers_[value];
  for (std::size_t i = count; i-- > 0;)
    for (const std::size_t value : nodes[i].inputs) readers_[value] += is_copy(*nodes[i].layer) ? readers_[i + 1] : 1;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t input = same_as_[nodes[i].inputs.front()];
    same_as_[i + 1] = i + 1;
    const std::string_view type = nodes[i].layer->type();
    if (is_copy(*nodes[i].layer))
      same_as_[i + 1] = input;
    else if (!(type == "batchNorm" && fold_batch_norm_into(i, input)) &&
             !(type == "relu" && fold_relu_into(i, input)) && !(type == "add" && fold_add_into(i)))
      add_step(i);
  }
  plan_memory();
}

void Predictor::add_step(std::size_t layer) {
  Step step;
  step.layer = layer;
  step.value = layer + 1;
  for (const std::size_t value : graph_->nodes()[layer].inputs) step.inputs.push_back(same_as_[value]);
  steps_.push_back(std::move(step));
}

Predictor::Step* Predictor::maker_of(std::size_t value) {
  const auto found =
      std::find_if(steps_.rbegin(), steps_.rend(), [&](const Step& step) { return step.value == value; });
  return found == steps_.rend() ? nullptr : &*found;
}

bool Predictor::fold_batch_norm_into(std::size_t layer, std::size_t input) {
  Step* const step = maker_of(input);
  if (step == nullptr || readers_[input] != 1 || step->batch_norm != none || step->relu || step->residual != none)
    return false;
  const Layer& maker = *graph_->nodes()[step->layer].layer;
  // A value under another shape is normalised by other columns.
  if (maker.output_shape() != graph_->nodes()[layer].layer->input_shape()) return false;
  if (maker.type() != "dense" && as_convolution(maker) == nullptr) return false;
  step->batch_norm = layer;
  step->value = layer + 1;
  return true;
}

bool Predictor::fold_relu_into(std::size_t layer, std::size_t input) {
  Step* const step = maker_of(input);
  if (step == nullptr || readers_[input] != 1 || step->relu ||
      as_convolution(*graph_->nodes()[step->layer].layer) == nullptr)
    return false;
  step->relu = true;
  step->value = layer + 1;
  return true;
}

// The later of two makers can add the other's output, if it is a convolution that nobody else reads.
bool Predictor::fold_add_into(std::size_t layer) {
  const auto& inputs = graph_->nodes()[layer].inputs;
  if (inputs.size() != 2) return false;
  const std::size_t a = same_as_[inputs[0]], b = same_as_[inputs[1]];
  Step *const from_a = maker_of(a), *const from_b = maker_of(b);
  const bool a_is_later = from_a != nullptr && (from_b == nullptr || from_a > from_b);
  Step* const step = a_is_later ? from_a : from_b;
  const std::size_t own = a_is_later ? a : b;
  if (a == b || step == nullptr || readers_[own] != 1 || step->relu || step->residual != none ||
      as_convolution(*graph_->nodes()[step->layer].layer) == nullptr)
    return false;
  step->residual = a_is_later ? b : a;
  step->value = layer + 1;
  return true;
}

// Step i runs at time i + 1; the input is there at 0, the features are read after the last.
void Predictor::plan_memory() {
  double numbers = 0;
  for (std::size_t value = 0; value < same_as_.size(); ++value) numbers += static_cast<double>(graph_->size(value));
  check_memory(numbers);
  SharedBlocks blocks;
  std::vector<std::size_t> block_of(same_as_.size(), none);
  block_of[0] = blocks.add(graph_->size(0), 0, 0);
  for (std::size_t i = 0; i < steps_.size(); ++i)
    block_of[steps_[i].value] =
        blocks.add(graph_->size(steps_[i].value), static_cast<std::int64_t>(i) + 1, static_cast<std::int64_t>(i) + 1);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const auto time = static_cast<std::int64_t>(i) + 1;
    for (const std::size_t value : steps_[i].inputs) blocks.use(block_of[value], time);
    if (steps_[i].residual != none) blocks.use(block_of[steps_[i].residual], time);
  }
  const std::size_t features = same_as_[graph_->nodes()[graph_->last_dense()].inputs.front()];
  blocks.use(block_of[features], static_cast<std::int64_t>(steps_.size()) + 1);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const auto time = static_cast<std::int64_t>(i) + 1;
    const auto dies = [&](std::size_t value) { return blocks.end(block_of[value]) == time; };
    if (step.residual != none) {
      // Not if the convolution reads the same memory: its windows overlap.
      const bool read = std::any_of(step.inputs.begin(), step.inputs.end(), [&](std::size_t value) {
        return blocks.shared(block_of[value], block_of[step.residual]);
      });
      if (!read && dies(step.residual)) blocks.share(block_of[step.residual], block_of[step.value]);
    } else if (graph_->nodes()[step.layer].layer->memory().output_in_place && step.inputs.size() <= 2) {
      const auto dying = std::find_if(step.inputs.begin(), step.inputs.end(), dies);
      if (dying != step.inputs.end()) blocks.share(block_of[*dying], block_of[step.value]);
    }
  }
  memory_per_example_ = blocks.place();
  const auto place = [&](std::size_t value) { return blocks.offset(block_of[value]); };
  input_place_ = place(0);
  for (Step& step : steps_) {
    step.y = place(step.value);
    if (step.residual != none) step.added = place(step.residual);
    for (const std::size_t value : step.inputs) step.x.push_back(place(value));
  }
  features_place_ = place(features);
}

bool Predictor::reads_tensors(std::size_t layer) const {
  return std::any_of(steps_.begin(), steps_.end(), [&](const Step& step) {
    return step.layer == layer && step.batch_norm == none && as_convolution(*graph_->nodes()[layer].layer) == nullptr;
  });
}

void Predictor::prepare(Backend& backend, std::span<const LayerTensors> tensors) {
  for (Step& step : steps_) prepare(backend, step, tensors);
}

void Predictor::prepare(Backend& backend, Step& step, std::span<const LayerTensors> tensors) {
  const Layer& layer = *graph_->nodes()[step.layer].layer;
  const ConvolutionLayer* const convolution = as_convolution(layer);
  const LayerTensors& own = tensors[step.layer];
  const float *weight = own.value.empty() ? nullptr : own.value[0],
              *bias = own.value.size() > 1 ? own.value[1] : nullptr;
  if (step.batch_norm != none) {
    const Shape shape = layer.tensor_specs().front().shape;
    const std::int64_t units = shape.front(), inputs = shape_size(shape) / units;
    if (step.weight.bytes() == 0) {
      step.weight = Buffer(backend, bytes_of(units * inputs));
      step.bias = Buffer(backend, bytes_of(units));
    }
    fold_batch_norm(backend, own, tensors[step.batch_norm], specs_[step.batch_norm].epsilon, units, inputs,
                    step.weight.as<float>(), step.bias.as<float>());
    weight = step.weight.as<float>();
    bias = step.bias.as<float>();
  }
  if (convolution == nullptr) {
    step.tensors = own;
    return;
  }
  step.convolution.reset();  // first, so that both are never there
  step.convolution = backend.make_conv2d_inference(convolution->geometry(), weight, bias);
  step.weight = Buffer();
  step.bias = Buffer();
}

const float* Predictor::forward(Backend& backend, float* memory, std::int64_t m) const {
  const auto at = [&](std::int64_t place) { return memory + place * m; };
  const Pass pass{backend, m, false, 0, 0};
  for (const Step& step : steps_) {
    const Graph::Node& node = graph_->nodes()[step.layer];
    float* const y = at(step.y);
    if (step.convolution != nullptr) {
      step.convolution->run(at(step.x[0]), step.residual == none ? nullptr : at(step.added), step.relu, y, m);
    } else if (step.batch_norm != none) {
      backend.dense_forward(at(step.x[0]), step.weight.as<float>(), step.bias.as<float>(), y, m,
                            shape_size(node.layer->input_shape()), shape_size(node.layer->output_shape()));
    } else if (node.joining() != nullptr) {
      std::vector<const float*> x;
      x.reserve(step.x.size());
      for (const std::int64_t place : step.x) x.push_back(at(place));
      node.joining()->join(pass, x, y);
    } else {
      node.layer->forward(pass, step.tensors, at(step.x[0]), y, nullptr);
    }
  }
  return at(features_place_);
}

std::string Predictor::description() const {
  std::string text;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const Layer& layer = *graph_->nodes()[step.layer].layer;
    text += text.empty() ? "" : ", ";
    text += std::string(layer.type()) + " " + describe_shape(layer.output_shape());
    if (layer.type() == "embedding") text += " of " + std::to_string(specs_[step.layer].vocabulary);
    const std::size_t before = i == 0 ? 0 : steps_[i - 1].value;
    if (step.inputs != std::vector<std::size_t>{before})
      for (const std::size_t value : step.inputs)
        text += (value == step.inputs.front() ? " of " : " and ") + std::to_string(value);
    if (step.residual != none) text += " plus " + std::to_string(step.residual);
    if (step.relu) text += " relu";
  }
  return text;
}

}  // namespace onelogit
