// Every optimizer with each of its options: what the updates of all backends are tested with.
#pragma once

#include <vector>

#include "optimizer/optimizer.h"

namespace onelogit::test {

inline std::vector<OptimizerSpec> optimizer_specs() {
  std::vector<OptimizerSpec> result(7);
  result[1].weight_decay = 0.01;
  result[2].momentum = 0.9;
  result[3].momentum = 0.9;
  result[3].nesterov = true;
  result[3].weight_decay = 0.01;
  result[4].kind = OptimizerKind::adam;
  result[4].learning_rate = 0.001;
  result[5] = result[4];
  result[5].weight_decay = 0.1;
  result[6] = result[5];
  result[6].kind = OptimizerKind::adamw;
  return result;
}

}  // namespace onelogit::test
