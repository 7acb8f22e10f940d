// Where everything of a training pass lies. Layer i of n runs forward at time i + 1 and backward at time 2n + 1 − i,
// the loss between them at n + 1, and the input is there from time 0: outputs stay until the last layer has read them,
// forward or backward (the last one until the next pass), gradients of outputs from the first layer that makes a part
// of them to the one that reads them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model/graph.h"

namespace onelogit {

struct TrainingPlan {
  static constexpr std::int64_t nowhere = -1;

  // How the gradient of one of a layer's inputs comes about: the layer writes it to `dx` (nowhere: nobody needs it;
  // where dy is: it is dy, or made from it in place), and it is then added to what lies at `sum` (nowhere: it is the
  // first).
  struct InputGradient {
    std::size_t input;
    std::int64_t dx, sum;
  };
  // Offsets in float32, of whole batches.
  struct Step {
    std::vector<std::int64_t> x;
    std::int64_t y = 0, saved = nowhere, dy = nowhere;
    bool runs_backward = false;
    std::vector<InputGradient> gradients;  // in the order in which they are to be made
  };

  std::vector<Step> steps;
  std::int64_t input = 0, output_gradient = nowhere;  // nowhere: nothing is trained
  std::int64_t size = 0;                              // of the memory
};

// Of the first `layers` layers, for batches of at most m examples; `trained` says of each whether it has anything to
// learn.
TrainingPlan plan_training(const Graph& graph, std::size_t layers, const std::vector<bool>& trained, std::int64_t m);

}  // namespace onelogit
