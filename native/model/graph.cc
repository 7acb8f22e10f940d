#include "model/graph.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "layer/reject.h"

namespace onelogit {
namespace {

std::string number(std::size_t index) { return "layer " + std::to_string(index); }

std::vector<std::size_t> inputs_of(const LayerSpec& layer, std::size_t index) {
  if (layer.inputs.empty()) return {index};
  std::vector<std::size_t> values;
  values.reserve(layer.inputs.size());
  for (const std::int64_t input : layer.inputs) {
    if (input < -1 || input >= static_cast<std::int64_t>(index))
      reject_layer("indices of layers before, or −1 for the model's input,", "inputs of " + number(index),
                   std::to_string(input));
    values.push_back(static_cast<std::size_t>(input + 1));
  }
  return values;
}

// Letters, digits, underscores and dashes, in parts joined by dots.
bool is_prefix(std::string_view name) {
  constexpr std::size_t longest = 200;
  if (name.empty() || name.size() > longest || name.front() == '.' || name.back() == '.') return false;
  char before = 0;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!plain && (c != '.' || before == '.')) return false;
    before = c;
  }
  return true;
}

// Throws ERR_ONELOGIT_LAYER unless the prefixes are different and can be names in a file.
void check_tensor_prefixes(const ModelSpec& spec) {
  // Beside a model's tensors, files hold those of classifiers and checkpoints (model_file.cc).
  constexpr std::string_view reserved[] = {"class_names.", "thresholds.", "optimizer.", "training."};
  std::set<std::string> prefixes;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string prefix = tensor_prefix(spec.layers[i], i);
    const std::string what = "the name of " + number(i);
    if (!is_prefix(prefix))
      reject_layer("letters, digits, '_' and '-' in parts joined by dots", what, "'" + prefix.substr(0, 40) + "'");
    for (const std::string_view taken : reserved)
      if ((prefix + ".").starts_with(taken)) reject_layer("none that begins with " + std::string(taken), what, prefix);
    if (!prefixes.insert(prefix).second) reject_layer("one that no other layer has", what, "'" + prefix + "'");
  }
}

}  // namespace

std::string tensor_prefix(const LayerSpec& layer, std::size_t index) {
  return layer.name.empty() ? std::to_string(index) : layer.name;
}

Graph::Graph(const ModelSpec& spec) : input_shape_(spec.input_shape), last_dense_(last_dense_layer(spec)) {
  check_tensor_prefixes(spec);
  nodes_.reserve(spec.layers.size());
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    LayerSpec layer = spec.layers[i];
    // No relu follows the logits.
    if (i == last_dense_ && !layer.initializer) layer.initializer = Initializer::glorot_uniform;
    if (i == last_dense_ && layer.frozen)
      reject_layer("a last dense layer that learns", number(i), "one that is frozen");
    if (i > 0 && layer.type == "embedding")
      reject_layer("an embedding only as the first layer (its inputs are integers)", "the layers",
                   "one at index " + std::to_string(i));
    Node node;
    node.inputs = inputs_of(layer, i);
    std::vector<Shape> shapes;
    shapes.reserve(node.inputs.size());
    for (const std::size_t value : node.inputs) shapes.push_back(shape(value));
    node.layer = make_layer(layer, shapes);
    node.joining_ = dynamic_cast<const JoiningLayer*>(node.layer.get());
    nodes_.push_back(std::move(node));
  }
  check_use();
}

void Graph::check_use() const {
  std::vector<std::size_t> readers(nodes_.size() + 1);
  for (const Node& node : nodes_)
    for (const std::size_t value : node.inputs) ++readers[value];
  for (std::size_t i = 0; i + 1 < nodes_.size(); ++i)
    if (readers[i + 1] == 0) reject_layer("layers that later ones read", number(i), "one that none reads");
  if (last_dense_ + 1 < nodes_.size() &&
      (nodes_.back().inputs != std::vector<std::size_t>{last_dense_ + 1} || readers[last_dense_ + 1] != 1))
    reject_layer("a last softmax of the logits", number(nodes_.size() - 1), "one of another layer's output");
  const bool integers = nodes_.front().layer->type() == "embedding";
  if (integers && readers[0] > 1)
    reject_layer("an embedding to be the one reader of the integers", "the layers", "another one");
}

}  // namespace onelogit
