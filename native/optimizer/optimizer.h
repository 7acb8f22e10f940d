// What an optimizer is, independent of any device. The update rules are in the sibling files, one per optimizer.
#pragma once

#include <cstdint>

namespace onelogit {

enum class OptimizerKind { sgd, adam, adamw };

struct OptimizerSpec {
  OptimizerKind kind = OptimizerKind::sgd;
  float learning_rate = 0.1f;
  float momentum = 0.0f;  // sgd
  bool nesterov = false;  // sgd
  float weight_decay =
      0.0f;            // sgd, adam: added to the gradient (L2); adamw: decoupled. All parameters, as PyTorch does.
  float beta1 = 0.9f;  // adam, adamw
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float clip_norm = 0.0f;  // global gradient norm is clipped to this; 0: no clipping
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
