// Places of memory blocks: what is in use at one time never overlaps, and memory is used again.
#include "model/memory_blocks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "layer/layer.h"
#include "model/graph.h"
#include "model/predictor.h"
#include "model/training_plan.h"

namespace onelogit {
namespace {

TEST_CASE("memory blocks: random blocks in use at one time never overlap") {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<MemoryBlock> blocks(1 + random() % 40);
    std::int64_t sum = 0;
    for (MemoryBlock& block : blocks) {
      block.size = random() % 200;
      block.begin = random() % 30;
      block.end = block.begin + random() % 10;
      sum += padded(block.size);
    }
    const std::int64_t total = place_blocks(blocks);
    CHECK(total <= sum);
    std::int64_t busiest = 0;
    for (std::int64_t time = 0; time < 40; ++time) {
      std::int64_t used = 0;
      for (const MemoryBlock& block : blocks)
        if (block.begin <= time && time <= block.end) used += padded(block.size);
      busiest = std::max(busiest, used);
    }
    CHECK(total >= busiest);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const MemoryBlock& a = blocks[i];
      CHECK(a.offset % 16 == 0);
      CHECK(a.offset + a.size <= total);
      for (std::size_t j = 0; j < i; ++j) {
        const MemoryBlock& b = blocks[j];
        const bool meet = a.begin <= b.end && b.begin <= a.end;
        const bool overlap = a.offset < b.offset + b.size && b.offset < a.offset + a.size;
        CHECK_FALSE((meet && overlap));
      }
    }
  }
}

TEST_CASE("memory blocks: one after another takes the memory of the two largest neighbours") {
  std::vector<MemoryBlock> blocks;
  for (std::int64_t time = 0; time < 100; ++time) blocks.push_back({160, time, time + 1, 0});
  CHECK(place_blocks(blocks) == 320);
}

LayerSpec conv(std::int64_t filters, std::vector<std::int64_t> inputs = {}) {
  LayerSpec spec;
  spec.type = "conv2d";
  spec.filters = filters;
  spec.inputs = std::move(inputs);
  return spec;
}
LayerSpec plain(const char* type, std::vector<std::int64_t> inputs = {}) {
  LayerSpec spec;
  spec.type = type;
  spec.inputs = std::move(inputs);
  return spec;
}

// `blocks` residual blocks of conv, batchNorm, relu, conv, batchNorm, add, relu over 8 × 8 × 16, then a dense layer.
ModelSpec residual_network(std::int64_t blocks) {
  ModelSpec spec;
  spec.input_shape = {8, 8, 16};
  for (std::int64_t block = 0; block < blocks; ++block) {
    const auto shortcut = static_cast<std::int64_t>(spec.layers.size()) - 1;
    for (const LayerSpec& layer : {conv(16), plain("batchNorm"), plain("relu"), conv(16), plain("batchNorm"),
                                   plain("add", {shortcut + 5, shortcut}), plain("relu")})
      spec.layers.push_back(layer);
  }
  spec.layers.push_back(plain("dense"));
  spec.layers.back().units = 3;
  return spec;
}

TEST_CASE("memory blocks: prediction holds three outputs of a residual network, however deep it is") {
  for (const std::int64_t blocks : {1, 20}) {
    const ModelSpec spec = residual_network(blocks);
    const auto graph = std::make_shared<const Graph>(spec);
    CHECK(Predictor(graph, spec).memory_per_example() <= 3 * 8 * 8 * 16);
  }
}

TEST_CASE("memory blocks: a training pass adds to each block what its backward pass reads") {
  const auto size_of = [](std::int64_t blocks) {
    const ModelSpec spec = residual_network(blocks);
    const Graph graph(spec);
    std::vector<bool> trained;
    for (const LayerSpec& layer : spec.layers) trained.push_back(layer.type != "relu" && layer.type != "add");
    return plan_training(graph, spec.layers.size(), trained, 4).size;
  };
  // The inputs of two convolutions and two batch normalisations (relu is done in place), and the saved statistics.
  const std::int64_t one = 4 * 8 * 8 * 16;
  CHECK(size_of(21) - size_of(20) <= 4 * one + 2 * 2 * 16);
  CHECK(size_of(20) <= 20 * (4 * one + 2 * 2 * 16) + 5 * one);
}

TEST_CASE("memory blocks: the integers of an embedding stay for its backward pass") {
  ModelSpec spec;
  spec.input_shape = {5};
  spec.layers = {plain("embedding"), plain("dense"), plain("relu"), plain("dense")};
  spec.layers[0].vocabulary = 9;
  for (LayerSpec& layer : spec.layers) layer.units = 5;
  const TrainingPlan plan = plan_training(Graph(spec), 4, {true, true, false, true}, 2);
  // Whatever else there is of a pass lies elsewhere.
  for (const TrainingPlan::Step& step : plan.steps)
    for (const std::int64_t place : {step.y, step.dy}) CHECK(std::abs(place - plan.input) >= 16);
}

}  // namespace
}  // namespace onelogit
