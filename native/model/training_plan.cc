#include "model/training_plan.h"

#include <algorithm>

#include "model/memory_blocks.h"

namespace onelogit {
namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);

class Planner {
 public:
  Planner(const Graph& graph, std::size_t layers, const std::vector<bool>& trained, std::int64_t m)
      : graph_(graph), layers_(layers), m_(m), runs_backward_(layers), saved_(layers, none), steps_(layers) {
    for (std::size_t i = 0; i < layers; ++i) {
      const auto& inputs = node(i).inputs;
      runs_backward_[i] = trained[i] || std::any_of(inputs.begin(), inputs.end(), [&](auto v) { return needed(v); });
    }
    for (std::size_t value = 0; value <= layers; ++value) outputs_.push_back(block(value, as_time(value)));
    gradients_.assign(layers + 1, none);
    plan_outputs();
    plan_gradients();
  }

  TrainingPlan place() {
    TrainingPlan plan;
    plan.size = blocks_.place();
    const auto at = [&](std::size_t block) { return block == none ? TrainingPlan::nowhere : blocks_.offset(block); };
    for (std::size_t i = 0; i < layers_; ++i) {
      TrainingPlan::Step step;
      for (const std::size_t value : node(i).inputs) step.x.push_back(at(outputs_[value]));
      step.y = at(outputs_[i + 1]);
      step.saved = at(saved_[i]);
      step.dy = at(gradients_[i + 1]);
      step.runs_backward = runs_backward_[i];
      for (const Flow& flow : steps_[i]) step.gradients.push_back({flow.input, at(flow.dx), at(flow.sum)});
      plan.steps.push_back(std::move(step));
    }
    plan.input = at(outputs_[0]);
    plan.output_gradient = at(gradients_[layers_]);
    return plan;
  }

 private:
  struct Flow {
    std::size_t input, dx, sum;  // blocks
  };

  const Graph::Node& node(std::size_t layer) const { return graph_.nodes()[layer]; }
  LayerMemory memory(std::size_t layer) const { return node(layer).layer->memory(); }
  static std::int64_t as_time(std::size_t n) { return static_cast<std::int64_t>(n); }
  std::int64_t forward_time(std::size_t layer) const { return as_time(layer + 1); }
  std::int64_t loss_time() const { return as_time(layers_ + 1); }
  std::int64_t backward_time(std::size_t layer) const { return as_time(2 * layers_ + 1 - layer); }
  std::size_t block(std::size_t value, std::int64_t time) { return blocks_.add(m_ * graph_.size(value), time, time); }
  // Whether anybody needs the gradient of a value.
  bool needed(std::size_t value) const { return value > 0 && runs_backward_[value - 1]; }

  void plan_outputs() {
    for (std::size_t i = 0; i < layers_; ++i) {
      for (const std::size_t value : node(i).inputs) {
        blocks_.use(outputs_[value], forward_time(i));
        if (runs_backward_[i] && memory(i).backward_reads_input) blocks_.use(outputs_[value], backward_time(i));
      }
      if (runs_backward_[i] && memory(i).backward_reads_output) blocks_.use(outputs_[i + 1], backward_time(i));
      if (const std::int64_t saved = node(i).layer->saved_size(m_); saved > 0) {
        saved_[i] = blocks_.add(saved, forward_time(i), forward_time(i));
        if (runs_backward_[i]) blocks_.use(saved_[i], backward_time(i));
      }
    }
    // The last layer's own gradient may be made after the pass, from the features.
    blocks_.use(outputs_[layers_], backward_time(0) + 1);
    for (std::size_t i = 0; i < layers_; ++i)
      if (memory(i).identity) blocks_.share(outputs_[node(i).inputs.front()], outputs_[i + 1]);
    // A layer writes over an input that nothing reads any more.
    for (std::size_t i = 0; i < layers_; ++i) {
      const auto& inputs = node(i).inputs;
      if (memory(i).identity || !memory(i).output_in_place || inputs.size() > 2) continue;
      const auto dying = std::find_if(inputs.begin(), inputs.end(), [&](std::size_t value) {
        return blocks_.end(outputs_[value]) == forward_time(i);
      });
      if (dying != inputs.end()) blocks_.share(outputs_[*dying], outputs_[i + 1]);
    }
  }

  void plan_gradients() {
    if (needed(layers_)) gradients_[layers_] = block(layers_, loss_time());
    for (std::size_t i = layers_; i-- > 0;) {
      if (!runs_backward_[i]) continue;
      blocks_.use(gradients_[i + 1], backward_time(i));
      if (node(i).joining() != nullptr)
        plan_joining(i);
      else if (needed(node(i).inputs.front()))
        plan_single(i, node(i).inputs.front());
      else if (memory(i).gradient_in_place)
        steps_[i].push_back({0, gradients_[i + 1], none});  // it makes one whether or not anybody needs it
    }
  }

  // Whether this is the first part of a value's gradient that is made; its block is there afterwards.
  bool begin_gradient(std::size_t value, std::size_t layer) {
    if (gradients_[value] != none) {
      blocks_.use(gradients_[value], backward_time(layer));
      return false;
    }
    gradients_[value] = block(value, backward_time(layer));
    return true;
  }

  void plan_single(std::size_t layer, std::size_t value) {
    const bool first = begin_gradient(value, layer);
    const std::size_t dy = gradients_[layer + 1];
    if (memory(layer).identity || memory(layer).gradient_in_place) {
      if (first) blocks_.share(gradients_[value], dy);
      steps_[layer].push_back({0, dy, first ? none : gradients_[value]});
      return;
    }
    steps_[layer].push_back(
        {0, first ? gradients_[value] : block(value, backward_time(layer)), first ? none : gradients_[value]});
  }

  // Of a sum, every input's gradient is dy: the last that is begun here may take over its memory, after the others have
  // read it.
  void plan_joining(std::size_t layer) {
    const auto& inputs = node(layer).inputs;
    const std::size_t dy = gradients_[layer + 1];
    const bool adds = node(layer).joining()->adds();
    std::size_t heir = none;
    if (adds)
      for (const std::size_t value : inputs)
        if (needed(value) && gradients_[value] == none && std::count(inputs.begin(), inputs.end(), value) <= 2)
          heir = value;
    std::vector<Flow>& flows = steps_[layer];
    std::vector<Flow> last;
    for (std::size_t input = 0; input < inputs.size(); ++input) {
      const std::size_t value = inputs[input];
      if (!needed(value)) continue;
      const bool first = begin_gradient(value, layer);
      const std::size_t sum = first ? none : gradients_[value];
      if (value == heir) {
        if (first) blocks_.share(gradients_[value], dy);
        last.push_back({input, dy, sum});
      } else if (adds) {
        flows.push_back({input, first ? gradients_[value] : dy, sum});
      } else {
        flows.push_back({input, first ? gradients_[value] : block(value, backward_time(layer)), sum});
      }
    }
    flows.insert(flows.end(), last.begin(), last.end());
  }

  const Graph& graph_;
  std::size_t layers_;
  std::int64_t m_;
  SharedBlocks blocks_;
  std::vector<bool> runs_backward_;
  std::vector<std::size_t> outputs_, gradients_, saved_;  // blocks: of values, of their gradients, of layers
  std::vector<std::vector<Flow>> steps_;
};

}  // namespace

TrainingPlan plan_training(const Graph& graph, std::size_t layers, const std::vector<bool>& trained, std::int64_t m) {
  // Of each value its gradient, and what its layer saves; of each input a part of its gradient.
  double numbers = static_cast<double>(graph.size(0));
  for (std::size_t i = 0; i < layers; ++i) {
    numbers += 3.0 * static_cast<double>(graph.size(i + 1));
    for (const std::size_t value : graph.nodes()[i].inputs) numbers += static_cast<double>(graph.size(value));
  }
  check_memory(numbers * static_cast<double>(m));
  return Planner(graph, layers, trained, m).place();
}

}  // namespace onelogit
