// How many examples have their largest logit at the label, found while the blocks of classes pass by.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/kernels/loss_margin.h"
#include "loss/arg_state.h"

namespace onelogit {

// The largest false logit of every row, per slice of the classes.
class LargestFalse {
 public:
  LargestFalse(std::int64_t max_examples, int slices)
      : slices_(slices),
        state_(static_cast<std::size_t>(max_examples * slices)),
        value_(state_.size()),
        column_(state_.size()) {}

  void clear() {
    for (ArgMax& state : state_) state = ArgMax{};
  }
  // One block of a slice: logits m×n of classes from `first_class`.
  void add(int slice, const float* logits, std::int64_t m, std::int64_t n, const std::int32_t* labels,
           std::int64_t first_class) {
    float* const value = &value_[static_cast<std::size_t>(slice * m)];
    std::int32_t* const column = &column_[static_cast<std::size_t>(slice * m)];
    margin_loss_kernels().largest_false(logits, n, m, n, labels, first_class, value, column);
    for (std::int64_t i = 0; i < m; ++i) {
      ArgMax& state = state_[static_cast<std::size_t>(slice * m + i)];
      state = merge(state, {value[i], column[i] < 0 ? -1 : first_class + column[i]});
    }
  }
  // Over all slices; `index` is the class.
  ArgMax row(std::int64_t i, std::int64_t m) const {
    ArgMax result;
    for (int slice = 0; slice < slices_; ++slice)
      result = merge(result, state_[static_cast<std::size_t>(slice * m + i)]);
    return result;
  }

 private:
  int slices_;
  std::vector<ArgMax> state_;  // slices×m
  std::vector<float> value_;   // slices×m: of the block at hand
  std::vector<std::int32_t> column_;
};

}  // namespace onelogit
