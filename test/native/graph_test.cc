// Graphs of layers: what is refused, and networks with branches, written out and drawn at random, against the float64
// reference network: training passes, their gradients, prediction.
#include "model/graph.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "check_network.h"
#include "error.h"
#include "layer_specs.h"
#include "small_run.h"

namespace onelogit {
namespace {

using namespace test;

std::string message_of(const ModelSpec& spec) {
  try {
    const Graph graph(spec);
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_ONELOGIT_LAYER");
    return error.what();
  }
  return "none";
}

TEST_CASE("graph: inputs that are not there, or that nothing reads, are errors that say so") {
  for (const std::int64_t wrong : {std::int64_t{1}, std::int64_t{2}, std::int64_t{-2},
                                   std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()})
    CHECK(message_of({{4}, {layer("relu"), of({wrong}, layer("relu")), dense(2)}}) ==
          "Expected indices of layers before, or −1 for the model's input, for inputs of layer 1 but received " +
              std::to_string(wrong));
  CHECK(message_of({{4}, {of({0}, layer("relu")), dense(2)}}).starts_with("Expected indices of layers before"));
  CHECK(message_of({{4}, {of({-1}, layer("relu")), of({0}, dense(2))}}) == "none");
  CHECK(message_of({{4}, {of({-1, -1}, layer("relu")), dense(2)}}) == "Expected one input for relu but received 2");
  CHECK(message_of({{4}, {dense(3), layer("relu"), of({0}, dense(2))}}) ==
        "Expected layers that later ones read for layer 1 but received one that none reads");
  CHECK(message_of({{4}, {dense(4), of({-1}, dense(2))}}) ==
        "Expected layers that later ones read for layer 0 but received one that none reads");
  CHECK(message_of({{4}, {layer("relu"), of({0, -1}, layer("add")), dense(2)}}) == "none");
  CHECK(message_of({{4}, {dense(3), of({0, -1}, layer("add")), dense(2)}}) ==
        "Expected inputs of one shape for add but received [3] and [4]");
  // A last softmax is of the logits, and nobody else reads those.
  CHECK(message_of({{4}, {layer("relu"), dense(2), of({0}, layer("softmax"))}}) ==
        "Expected layers that later ones read for layer 1 but received one that none reads");
  CHECK(message_of({{4}, {dense(2), dense(2), of({0}, layer("softmax"))}}) ==
        "Expected layers that later ones read for layer 1 but received one that none reads");
  CHECK(message_of({{4}, {dense(2), of({0}, layer("softmax"))}}) == "none");
  CHECK(message_of({{4}, {frozen(dense(2))}}) ==
        "Expected a last dense layer that learns for layer 0 but received one that is frozen");
  CHECK(message_of({{4}, {named(dense(2), "a"), named(dense(2), "a")}}) ==
        "Expected one that no other layer has for the name of layer 1 but received 'a'");
  CHECK(message_of({{4}, {named(dense(2), "1"), dense(2)}}) ==
        "Expected one that no other layer has for the name of layer 1 but received '1'");
}

// x + f(x), He et al. 2016.
std::vector<LayerSpec> residual_block(std::int64_t channels) {
  return {same(without_bias(conv2d(channels, 3, 3))), layer("batchNorm"), layer("relu"),
          same(without_bias(conv2d(channels, 3, 3))), layer("batchNorm")};
}

std::vector<LayerSpec> joined(std::vector<LayerSpec> layers, const std::vector<LayerSpec>& more) {
  layers.insert(layers.end(), more.begin(), more.end());
  return layers;
}

std::vector<std::pair<std::string, ModelSpec>> networks() {
  const Shape image{4, 4, 3};
  const LayerSpec head = dense(3), relu = layer("relu"), add = layer("add"), concat = layer("concat");
  return {
      {"the input added to itself", {{4}, {of({-1, -1}, add), head}}},
      {"the input used twice", {{4}, {dense(4), of({0, -1}, add), relu, of({2, -1}, concat), head}}},
      {"the input used before anything reads it", {image, {of({-1}, conv2d(3, 1, 1)), of({-1, 0}, add), head}}},
      {"a value added to itself", {{4}, {dense(5), relu, of({1, 1}, add), head}}},
      {"a value added to itself, three times", {{4}, {dense(5), relu, of({1, 1, 1}, add), dense(4), head}}},
      {"a value beside itself", {{4}, {dense(5), relu, of({1, 1}, concat), head}}},
      {"a value used three times",
       {{4}, {dense(5), relu, of({1}, dense(5)), of({1}, dense(5)), of({1, 2, 3}, add), relu, head}}},
      {"in place beside another reader",
       {{4}, {dense(5), of({0}, relu), of({0}, dropout(0.5f)), of({1, 2, 0}, add), head}}},
      {"in place twice beside another reader",
       {{4}, {dense(5), of({0}, relu), of({1}, dropout(0.3f)), of({0}, layer("softmax")), of({2, 3}, add), head}}},
      {"softmax and relu of one value, and both of it",
       {{4}, {dense(5), layer("softmax"), of({1}, relu), of({1, 2}, concat), of({3}, dropout(0.4f)), head}}},
      {"diamond",
       {image,
        {conv2d(3, 1, 1), relu, of({1}, same(conv2d(3, 3, 3))), of({1}, same(conv2d(3, 1, 3))), of({2, 3}, add), relu,
         layer("globalAvgPool"), head}}},
      {"diamond of diamonds",
       {{3},
        {dense(4), of({0}, dense(4)), of({0}, relu), of({1, 2}, add), of({3}, relu), of({3}, dense(4)), of({4, 5}, add),
         of({6, 3, 0}, add), head}}},
      {"residual block",
       {image, joined(joined({conv2d(4, 1, 1), relu}, residual_block(4)),
                      {of({6, 1}, add), relu, layer("globalAvgPool"), head})}},
      {"residual block with a projection",
       {image,
        {same(conv2d(4, 3, 3, 2, 2)), layer("batchNorm"), relu, same(conv2d(4, 3, 3)), layer("batchNorm"),
         of({-1}, conv2d(4, 1, 1, 2, 2)), of({5}, layer("batchNorm")), of({4, 6}, add), relu, layer("globalAvgPool"),
         head}}},
      {"residual block, shortcut first",
       {image,
        joined(joined({conv2d(4, 1, 1), relu}, residual_block(4)), {of({1, 6}, add), relu, layer("flatten"), head})}},
      {"residual block before its activation",
       {image,
        {conv2d(4, 1, 1), layer("batchNorm"), relu, same(conv2d(4, 3, 3)), of({0, 3}, add), layer("batchNorm"), relu,
         layer("globalAvgPool"), head}}},
      {"a shortcut over a copy",
       {image,
        {conv2d(4, 1, 1), relu, same(conv2d(4, 3, 3)), dropout(0.5f), of({3, 1}, add), of({4}, dropout(0.5f)),
         of({5, 3}, add), layer("flatten"), head}}},
      {"a convolution whose output is added and read",
       {image,
        {conv2d(3, 1, 1), same(conv2d(3, 3, 3)), of({1, 0}, add), of({2, 1}, concat), layer("globalAvgPool"), head}}},
      {"a convolution that is read normalised and as it is",
       {image, {conv2d(3, 1, 1), layer("batchNorm"), of({0}, relu), of({1, 2}, add), layer("globalAvgPool"), head}}},
      {"the same convolution on both sides", {image, {conv2d(3, 1, 1), of({0, 0}, add), relu, layer("flatten"), head}}},
      {"an inception block",
       {image,
        {conv2d(4, 1, 1), relu, of({1}, conv2d(2, 1, 1)), relu, of({1}, conv2d(2, 1, 1)), same(conv2d(3, 3, 1)), relu,
         of({1}, same(windows("avgPool", 3, 3))), conv2d(2, 1, 1), relu, of({1}, same(windows("maxPool", 3, 3))),
         of({3, 6, 9, 10}, concat), layer("globalAvgPool"), head}}},
      {"concat of concats",
       {image,
        {conv2d(2, 1, 1), of({0, -1}, concat), of({1, 0, 1}, concat), windows("maxPool", 2, 2, 2, 2), layer("flatten"),
         of({4, 4}, concat), head}}},
      {"dense blocks: everything before is read",
       {image,
        {conv2d(2, 1, 1), relu, same(conv2d(2, 3, 3)), of({1, 2}, concat), relu, same(conv2d(2, 3, 3)),
         of({1, 2, 5}, concat), layer("batchNorm"), relu, layer("globalAvgPool"), head}}},
      {"dropout in branches",
       {{5},
        {dense(6), relu, of({1}, dropout(0.3f)), of({1}, dropout(0.5f)), of({2, 3}, add), of({3, 1}, concat),
         of({4, 5}, concat), head}}},
      {"flatten in branches",
       {image,
        {conv2d(2, 1, 1), of({0}, layer("flatten")), of({0}, relu), of({2}, layer("flatten")), of({1, 3}, add),
         of({2}, layer("globalAvgPool")), of({4, 5}, concat), head}}},
      {"frozen in the middle of a branch",
       {image,
        {conv2d(3, 1, 1), frozen(same(conv2d(3, 3, 3))), frozen(layer("batchNorm")), of({2, 0}, add), relu,
         layer("globalAvgPool"), head}}},
      {"one branch frozen from the input on",
       {image,
        {frozen(conv2d(3, 1, 1)), frozen(layer("batchNorm")), relu, of({-1}, conv2d(3, 1, 1)), of({2, 3}, add),
         of({4, 2}, concat), layer("globalAvgPool"), head}}},
      {"all frozen but the logits",
       {image,
        {frozen(conv2d(3, 1, 1)), frozen(layer("batchNorm")), of({1, 0}, add), relu, layer("globalAvgPool"), head}}},
      {"nothing but the logits", {{5}, {head}}},
      {"logits of a value with other readers", {{4}, {dense(5), of({0}, relu), of({0, 1}, add), of({2}, head)}}},
      {"a last softmax", {{4}, {dense(4), of({0, -1}, add), head, layer("softmax")}}},
      {"names",
       {{4},
        {named(dense(4), "trunk.in"), of({0, -1}, add), named(layer("batchNorm"), "trunk.bn"), named(head, "fc")}}},
  };
}

TEST_CASE("graph: networks with branches train and predict as the float64 reference does") {
  for (const auto& [name, spec] : networks()) {
    CAPTURE(name);
    for (const std::int64_t m : {2, 3})
      CHECK(check_training(spec, {.m = m, .seed = static_cast<std::uint32_t>(m), .gradients_of_a_tensor = 30}));
    check_prediction(spec, 6);
  }
}

TEST_CASE("graph: a convolution does not write over its input, where that is its shortcut too") {
  // Large enough to be made in many pieces, each of which reads what an earlier one could have overwritten.
  check_prediction({{40, 40, 8},
                    {conv2d(8, 1, 1), layer("relu"), same(conv2d(8, 5, 5)), of({2, 1}, layer("add")), layer("relu"),
                     layer("globalAvgPool"), dense(3)}},
                   1);
}

TEST_CASE("graph: buffers whose sizes overflow are refused, not made small") {
  // 2^40 pixels of one example's one number: for 2^24 examples, 2^64 numbers.
  const std::int64_t half = std::int64_t{1} << 19, m = std::int64_t{1} << 24;
  const LayerSpec wider = padded(layer("zeroPadding"), half, half - 1, half, half - 1);
  const ModelSpec spec{{1, 1, 1}, {wider, layer("globalAvgPool"), dense(2)}};
  const auto code_of = [](auto&& body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return std::string("none");
  };
  Model model(spec, cpu_backend());
  CHECK(code_of([&] { model.plan_training(m, 0); }) == "ERR_ONELOGIT_OUT_OF_MEMORY");
  CHECK(code_of([&] { model.plan_training(m, 0, Model::PassEnd::features); }) == "ERR_ONELOGIT_OUT_OF_MEMORY");
  const float x = 1.0f;
  float y[2];
  // One example of 2^48 numbers, more than there are addresses for.
  Model larger({{1, 1, 1}, {wider, conv2d(256, 1, 1), layer("globalAvgPool"), dense(2)}}, cpu_backend());
  CHECK(code_of([&] { larger.inference_input(m); }) == "ERR_ONELOGIT_OUT_OF_MEMORY");
  CHECK(code_of([&] { larger.predict(&x, ExampleType::float32, 1, Output::logits, y, nullptr); }) ==
        "ERR_ONELOGIT_OUT_OF_MEMORY");
  // Of one example too, where thousands of such outputs are needed at once.
  ModelSpec wide{{1 << 20, 1 << 20, 256}, {}};
  for (int sums = 0; sums < 6; ++sums) {
    LayerSpec add = layer("add");
    for (int i = 0; i < 900; ++i) {
      add.inputs.push_back(std::ssize(wide.layers));
      wide.layers.push_back(of({sums == 0 ? -1 : 901 * sums - 1}, layer("softmax")));
    }
    wide.layers.push_back(add);
  }
  wide.layers.push_back(layer("globalAvgPool"));
  wide.layers.push_back(dense(2));
  CHECK(code_of([&] { const Model model_of_many(wide, cpu_backend()); }) == "ERR_ONELOGIT_OUT_OF_MEMORY");
}

// A network drawn at random: each layer reads one or more of the values before it, later ones more often. What nothing
// read is pooled, or taken as it is, and joined before the logits.
class RandomNetwork {
 public:
  explicit RandomNetwork(std::uint32_t seed) : random_(seed) {}

  ModelSpec draw() {
    const bool image = chance(0.8);
    spec_.input_shape = image ? Shape{between(2, 6), between(2, 6), between(1, 4)} : Shape{between(2, 8)};
    shapes_ = {spec_.input_shape};
    read_ = {false};
    const std::int64_t wanted = between(1, 14);
    for (int tries = 0; tries < 400 && static_cast<std::int64_t>(spec_.layers.size()) < wanted; ++tries) draw_layer();
    join_rest();
    append(dense(between(2, 4)), {shapes_.size() - 1});
    if (chance(0.1)) append(layer("softmax"), {shapes_.size() - 1});
    return spec_;
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }

  // One of the values so far: the last one half of the time.
  std::size_t any_value() {
    return chance(0.5) ? shapes_.size() - 1 : static_cast<std::size_t>(between(0, std::ssize(shapes_) - 1));
  }

  void append(LayerSpec layer, const std::vector<std::size_t>& inputs) {
    std::vector<Shape> shapes;
    for (const std::size_t value : inputs) {
      shapes.push_back(shapes_[value]);
      read_[value] = true;
    }
    // Where it makes no difference, with and without saying so.
    const bool chain = inputs == std::vector<std::size_t>{shapes_.size() - 1};
    if (!chain || chance(0.3))
      for (const std::size_t value : inputs) layer.inputs.push_back(static_cast<std::int64_t>(value) - 1);
    shapes_.push_back(make_layer(layer, shapes)->output_shape());
    read_.push_back(false);
    spec_.layers.push_back(std::move(layer));
  }

  LayerSpec draw_windows(const char* type, const Shape& shape) {
    LayerSpec spec = windows(type, between(1, 3), between(1, 3), between(1, 2), between(1, 2));
    if (chance(0.5)) return same(spec);
    std::int64_t* const sides[] = {&spec.padding.top, &spec.padding.bottom, &spec.padding.left, &spec.padding.right};
    for (int i = 0; i < 4; ++i)
      if (chance(0.3)) *sides[i] = between(0, spec.kernel[i / 2] - 1);
    if (shape[0] + spec.padding.top + spec.padding.bottom < spec.kernel[0] ||
        shape[1] + spec.padding.left + spec.padding.right < spec.kernel[1])
      return same(spec);
    return spec;
  }

  LayerSpec draw_conv2d(const Shape& shape) {
    LayerSpec spec = draw_windows("conv2d", shape);
    spec.groups = chance(0.3) ? shape[2] : 1;
    // As many filters as channels, often: what add needs.
    spec.filters = chance(0.5) ? shape[2] : spec.groups * between(1, 2);
    spec.bias = chance(0.7);
    spec.frozen = chance(0.15);
    return spec;
  }

  void draw_layer() {
    const std::size_t value = any_value();
    const Shape shape = shapes_[value];
    const bool image = shape.size() == 3;
    switch (between(0, image ? 14 : 8)) {
      case 0:
        return append(layer("relu"), {value});
      case 1:
        return append(dropout(0.3f), {value});
      case 2: {
        LayerSpec spec = layer("batchNorm");
        spec.frozen = chance(0.3);
        return append(spec, {value});
      }
      case 3:
      case 4:
        return draw_add(value);
      case 5:
      case 6:
        return draw_concat(value);
      case 7:
        return append(chance(0.5) ? layer("softmax") : local_response_norm(between(1, 4), 1.5f, 0.75f, 1.0f), {value});
      case 8: {
        if (image) return append(layer("flatten"), {value});
        LayerSpec spec = dense(chance(0.5) ? shape[0] : between(2, 6), chance(0.7));
        spec.frozen = chance(0.15);
        if (chance(0.3)) spec.name = "part." + std::to_string(spec_.layers.size());
        return append(spec, {value});
      }
      case 9:
        return append(draw_windows("maxPool", shape), {value});
      case 10: {
        LayerSpec spec = draw_windows("avgPool", shape);
        spec.count_padding = chance(0.5);
        return append(spec, {value});
      }
      case 11:
        if (shape[0] * shape[1] > 30) return;
        return append(padded(layer("zeroPadding"), between(0, 1), between(0, 2), between(0, 1), between(0, 1)),
                      {value});
      case 12:
        if (chance(0.3)) return append(layer("globalAvgPool"), {value});
        [[fallthrough]];
      default:
        return append(draw_conv2d(shape), {value});
    }
  }

  void draw_add(std::size_t value) {
    std::vector<std::size_t> inputs{value};
    const std::size_t count = static_cast<std::size_t>(between(2, 3));
    for (int tries = 0; tries < 30 && inputs.size() < count; ++tries) {
      const std::size_t other = any_value();
      if (shapes_[other] == shapes_[value] && (other != value || chance(0.2))) inputs.push_back(other);
    }
    if (inputs.size() < 2) return;
    std::shuffle(inputs.begin(), inputs.end(), random_);
    append(layer("add"), inputs);
  }

  void draw_concat(std::size_t value) {
    std::vector<std::size_t> inputs{value};
    const std::size_t count = static_cast<std::size_t>(between(2, 3));
    std::int64_t columns = shapes_[value].back();
    for (int tries = 0; tries < 30 && inputs.size() < count; ++tries) {
      const std::size_t other = any_value();
      Shape shape = shapes_[other];
      if (shape.size() != shapes_[value].size() || columns + shape.back() > 40) continue;
      shape.back() = shapes_[value].back();
      if (shape != shapes_[value] || (other == value && chance(0.8))) continue;
      columns += shapes_[other].back();
      inputs.push_back(other);
    }
    if (inputs.size() < 2) return;
    append(layer("concat"), inputs);
  }

  void join_rest() {
    std::vector<std::size_t> rest;
    for (std::size_t value = 1, count = shapes_.size(); value < count; ++value) {
      if (read_[value]) continue;
      if (shapes_[value].size() == 3) {
        append(layer(chance(0.5) ? "flatten" : "globalAvgPool"), {value});
        rest.push_back(shapes_.size() - 1);
      } else {
        rest.push_back(value);
      }
    }
    // The logits read the last value.
    if (rest.size() > 1)
      append(layer("concat"), rest);
    else if (rest.size() == 1 && rest.front() != shapes_.size() - 1)
      append(layer("relu"), rest);
  }

  std::mt19937 random_;
  ModelSpec spec_;
  std::vector<Shape> shapes_;  // of the input, then of each layer's output
  std::vector<bool> read_;
};

std::string description(const ModelSpec& spec) {
  std::string text = describe_shape(spec.input_shape);
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    text += ", " + std::to_string(i) + " " + spec.layers[i].type + (spec.layers[i].frozen ? " frozen" : "");
    for (const std::int64_t input : spec.layers[i].inputs) text += " " + std::to_string(input);
  }
  return text;
}

TEST_CASE("graph: networks drawn at random train and predict as the float64 reference does") {
  std::set<std::string> types;
  std::size_t branching = 0, checked = 0;
  const std::uint32_t count = test::small_run() ? 40 : 300;
  for (std::uint32_t seed = 1; seed <= count; ++seed) {
    CAPTURE(seed);
    const ModelSpec spec = RandomNetwork(seed).draw();
    const std::string layers = description(spec);
    CAPTURE(layers);
    for (const LayerSpec& each : spec.layers) {
      types.insert(each.type);
      branching += each.inputs.size() > 1;
    }
    // Batch normalisation of few rows may divide by little: rounding is larger, a mistake of the plan larger still.
    checked +=
        check_training(spec, {.m = 2 + seed % 3, .seed = seed, .gradients_of_a_tensor = 6, .gradient_tolerance = 1e-3});
    check_prediction(spec, seed);
  }
  CHECK(types.size() == 14);  // all but the embedding
  CHECK(branching > count);
  CHECK(checked > count / 100 * 95);
}

// Layers of arbitrary numbers: each is refused, or works.
TEST_CASE("graph: hostile layers are errors, and what is accepted runs") {
  constexpr const char* types[] = {
      "dense",   "conv2d",      "batchNorm",         "relu", "maxPool", "avgPool", "globalAvgPool", "dropout",
      "flatten", "zeroPadding", "localResponseNorm", "add",  "concat",  "softmax", "embedding",     "",
      "input"};
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min(),
                         most = std::numeric_limits<std::int64_t>::max(), million = std::int64_t{1} << 20;
  constexpr std::int64_t integers[] = {least, -million, -2, -1, 0,       1,           1,          2,
                                       2,     3,        4,  7,  million, million + 1, 4294967296, most};
  constexpr float numbers[] = {-1.0f, 0.0f, 0.5f, 1.0f, 3e38f, 1e-45f, infinity, nan};
  std::mt19937 random(11);
  const auto any = [&](const auto& list) { return list[random() % std::size(list)]; };
  // Mostly what fits, so that not everything fails at the first layer.
  const auto integer = [&] { return random() % 8 == 0 ? any(integers) : static_cast<std::int64_t>(random() % 3) + 1; };
  std::size_t refused = 0, ran = 0;
  for (int round = 0; round < (small_run() ? 4000 : 20'000); ++round) {
    CAPTURE(round);
    ModelSpec spec{{integer(), integer(), integer()}, {}};
    const std::size_t count = random() % 6;
    for (std::size_t i = 0; i < count; ++i) {
      LayerSpec each = layer(any(types));
      for (std::int64_t* const field : {&each.units, &each.filters, &each.groups, &each.vocabulary, &each.kernel[0],
                                        &each.kernel[1], &each.stride[0], &each.stride[1]})
        *field = integer();
      for (std::int64_t* const side :
           {&each.padding.top, &each.padding.bottom, &each.padding.left, &each.padding.right})
        *side = random() % 2 == 0 ? 0 : integer();
      each.padding.same = random() % 2 == 0;
      each.count_padding = random() % 2 == 0;
      each.frozen = random() % 6 == 0;
      each.local_response_norm = {integer(), any(numbers), any(numbers), any(numbers)};
      if (random() % 4 == 0) each.rate = each.epsilon = each.momentum = any(numbers);
      for (std::size_t inputs = random() % 3; inputs > 0; --inputs)
        each.inputs.push_back(random() % 8 == 0 ? any(integers) : static_cast<std::int64_t>(random() % (i + 1)) - 1);
      spec.layers.push_back(std::move(each));
    }
    spec.layers.push_back(dense(3));
    try {
      const Graph graph(spec);
      double size = 0, weights = 0;
      for (std::size_t value = 0; value <= spec.layers.size(); ++value) {
        size += static_cast<double>(graph.size(value));
        if (value == 0) continue;
        for (const TensorSpec& tensor : graph.nodes()[value - 1].layer->tensor_specs())
          weights += static_cast<double>(shape_size(tensor.shape));
      }
      bool windows_are_small = true;
      for (const LayerSpec& each : spec.layers) windows_are_small &= each.kernel[0] < 100 && each.kernel[1] < 100;
      if (size > 1e5 || weights > 1e5 || !windows_are_small || spec.layers.front().type == "embedding") continue;
      Model model(spec, cpu_backend());
      const auto x = hostile_values(2 * model.input_size(), static_cast<std::uint32_t>(round));
      std::vector<float> logits(6);
      model.predict(x.data(), ExampleType::float32, 2, Output::logits, logits.data(), nullptr);
      model.plan_training(2, 1);
      std::copy(x.begin(), x.end(), model.training_input());
      model.forward_training(2, 0);
      std::copy(logits.begin(), logits.end(), model.output_gradient());
      model.backward(2, 0);
      ++ran;
    } catch (const Error& error) {
      CHECK(error.code() == "ERR_ONELOGIT_LAYER");
      CHECK(std::string(error.what()).starts_with("Expected "));
      ++refused;
    }
  }
  CHECK(ran > 100);
  CHECK(refused > 1000);
}

}  // namespace
}  // namespace onelogit
