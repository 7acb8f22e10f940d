// What an optimizer is, independent of any device. The update rules are in the sibling files, one per optimizer.
#pragma once

#include <cstdint>

namespace onelogit {

enum class OptimizerKind { sgd, adam, adamw };

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::sgd;
  // float64, so that 1 − beta2 is what was asked for: 1 − 0.999f is off by 1.3e-5 of itself.
  double learning_rate = 0.1;
  double momentum = 0.0;  // sgd
  bool nesterov = false;  // sgd
  // sgd, adam: added to the gradient (L2); adamw: decoupled. Applies to all parameters, as PyTorch does.
  double weight_decay = 0.0;
  double beta1 = 0.9;  // adam, adamw
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double clip_norm = 0.0;  // global gradient norm is clipped to this; 0: no clipping
};

// How many float32 state arrays of the parameters' size the optimizer keeps: 0 (plain sgd), 1 (momentum), 2 (adam).
int optimizer_state_count(const OptimizerSpec& spec);

// One contiguous run of parameters and what belongs to it; all pointers are device memory of `size` float32.
struct ParameterSlice {
  float* value = nullptr;
  const float* gradient = nullptr;
  float* state[2] = {nullptr, nullptr};  // momentum; or first and second moment
  std::int64_t size = 0;
};

}  // namespace onelogit
