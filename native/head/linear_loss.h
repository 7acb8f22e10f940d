// The last layer and its loss in one pass over blocks of classes: logits = hidden · weightᵀ + bias exist only for the
// block at hand, so memory does not grow with m·k. The mathematics is in docs/losses.md, "Fused linear + loss".
#pragma once

#include <cstddef>
#include <cstdint>

#include "loss/loss.h"
#include "optimizer/optimizer.h"
#include "optimizer/parameter_rows.h"
#include "tensor/weight_type.h"

namespace onelogit {

// Matrices are row-major; m examples, d features, k classes. All pointers are memory of one backend.
struct LinearLossArguments {
  const float* hidden = nullptr;  // m×d
  const void* weight = nullptr;   // k×d of `weight_type`: one class is one contiguous row
  WeightType weight_type = WeightType::float32;
  const float* bias = nullptr;           // k, or null
  const std::int32_t* labels = nullptr;  // m, each in [0, k)
  std::int64_t m = 0, d = 0, k = 0;
  std::uint64_t step = 0;  // selects the noise draws of sampled nce

  // Overwritten in full; each may be null when it is not wanted.
  float* gradient_hidden = nullptr;  // m×d
  float* gradient_weight = nullptr;  // k×d
  float* gradient_bias = nullptr;    // k
  // How many examples have their largest logit (the lowest class on ties) at the label; −1 from sampled nce, which does
  // not see all logits. One int64 in device memory; null when it is not wanted.
  std::int64_t* correct = nullptr;
};

// Of a class matrix and a batch; nothing is wanted yet.
inline LinearLossArguments linear_loss_arguments(const ParameterRows& classes, const float* hidden,
                                                 const std::int32_t* labels, std::int64_t m, std::uint64_t step) {
  LinearLossArguments arguments;
  arguments.hidden = hidden;
  arguments.weight = classes.value;
  arguments.weight_type = classes.type;
  arguments.bias = classes.bias;
  arguments.labels = labels;
  arguments.m = m;
  arguments.d = classes.columns;
  arguments.k = classes.rows;
  arguments.step = step;
  return arguments;
}

class LinearLossKernel {
 public:
  virtual ~LinearLossKernel() = default;
  // → *value (one float64 in device memory) and the gradients asked for.
  virtual void run(const LinearLossArguments& arguments, double* value) = 0;
};

// Bytes that the blocks of a call may use beside its arguments and O(m·d) sums, unless told otherwise.
constexpr std::size_t default_linear_loss_workspace = std::size_t{64} << 20;

// What to do where the gradient of the class matrix is complete only after the last block (batch-cross-entropy):
// keep it, k×d float32, or compute the logits a second time (8mkd operations instead of 6mkd). Other losses need
// neither.
enum class ClassGradientMemory { store, recompute };

struct LinearLossTrainingPlan {
  LossSpec loss;
  OptimizerSpec optimizer;
  ParameterRows classes;  // the class matrix k×d, its bias, their optimizer state: updated in place
  std::int64_t max_examples = 0;
  std::size_t workspace_bytes = default_linear_loss_workspace;
  ClassGradientMemory memory = ClassGradientMemory::store;
  bool clips = false;      // update() gets a scale that depends on the gradient: it is kept as a whole until then
  std::uint64_t seed = 0;  // of the rounding to bfloat16
};

// The last layer, its loss and its optimizer together. Where a block's gradient is complete when the block is done, its
// rows are updated at once and the gradient of the class matrix never exists as a whole. The margin losses and sampled
// nce touch few rows: the others rest and are caught up when they are read next (optimizer/idle_steps.h).
class LinearLossTraining {
 public:
  struct Batch {
    const float* hidden = nullptr;         // m×d
    const std::int32_t* labels = nullptr;  // m, each in [0, k)
    std::int64_t m = 0;
    std::uint64_t step = 0;            // from 0
    float learning_rate = 0;           // as scheduled for this step
    float* gradient_hidden = nullptr;  // m×d, or null when nobody needs it
  };

  virtual ~LinearLossTraining() = default;
  // → *value, *correct (as above) and gradient_hidden; every run is followed by update(). When the hidden activations
  // are not finite, *value is NaN and the class matrix stays as it is.
  virtual void run(const Batch& batch, double* value, std::int64_t* correct) = 0;
  // *squares (float64, device) = Σ g² over the gradients of the class matrix and its bias. Only with `clips`.
  virtual void gradient_squares(double* squares) = 0;
  // What run() has not yet updated. `gradient_scale` is one device float32 that multiplies every gradient, or null.
  virtual void update(const float* gradient_scale) = 0;
  // Brings every row up to date: before anybody else reads the class matrix or its optimizer state.
  virtual void catch_up() = 0;
  // Value and correct answers alone; rows must be up to date. `step` selects noise draws.
  virtual void evaluate(const float* hidden, const std::int32_t* labels, std::int64_t m, std::uint64_t step,
                        double* value, std::int64_t* correct) = 0;
};

}  // namespace onelogit
