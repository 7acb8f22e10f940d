// Gradients of single entries (i, j) of the logits: coefficient · weight_j for d hidden_i, coefficient · hidden_i for
// d weight_j. Added serially in i, in parallel over the features, so that duplicate classes need no locks and the order
// of sums is fixed.
#pragma once

#include <cstdint>

#include "backend/cpu/threads.h"
#include "head/linear_loss.h"
#include "tensor/bfloat16.h"

namespace onelogit {

// Features [begin, end) of the gradients += those of one entry.
inline void add_entry(const LinearLossArguments& arguments, std::int64_t i, std::int64_t j, float coefficient,
                      std::int64_t begin, std::int64_t end) {
  const std::int64_t d = arguments.d;
  if (arguments.gradient_hidden != nullptr) {
    float* to = arguments.gradient_hidden + i * d;
    if (arguments.weight_type == WeightType::bfloat16) {
      const auto* weight = static_cast<const std::uint16_t*>(arguments.weight) + j * d;
      for (std::int64_t n = begin; n < end; ++n) to[n] += coefficient * bfloat16_to_float32(weight[n]);
    } else {
      const auto* weight = static_cast<const float*>(arguments.weight) + j * d;
      for (std::int64_t n = begin; n < end; ++n) to[n] += coefficient * weight[n];
    }
  }
  if (arguments.gradient_weight != nullptr) {
    float* to = arguments.gradient_weight + j * d;
    const float* hidden = arguments.hidden + i * d;
    for (std::int64_t n = begin; n < end; ++n) to[n] += coefficient * hidden[n];
  }
  if (arguments.gradient_bias != nullptr && begin == 0) arguments.gradient_bias[j] += coefficient;
}

// Adds the entries that `visit(add)` names by add(i, j, coefficient); it is called once per run of features and must
// name the same entries in the same order each time.
template <class Visit>
void add_entries(const LinearLossArguments& arguments, const Visit& visit) {
  parallel_for(arguments.d, 64, 16, [&](std::int64_t begin, std::int64_t end) {
    visit([&](std::int64_t i, std::int64_t j, float coefficient) {
      add_entry(arguments, i, j, coefficient, begin, end);
    });
  });
}

// The labels' entries: coefficient(i) for (i, labels[i]).
template <class Coefficient>
void add_label_rows(const LinearLossArguments& arguments, const Coefficient& coefficient) {
  add_entries(arguments, [&](const auto& add) {
    for (std::int64_t i = 0; i < arguments.m; ++i) add(i, arguments.labels[i], coefficient(i));
  });
}

}  // namespace onelogit
