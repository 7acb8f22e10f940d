// Updates rows of a parameter matrix in place, and keeps account of rows that rest (optimizer/idle_steps.h).
#pragma once

#include <cstdint>
#include <vector>

#include "optimizer/idle_steps.h"
#include "optimizer/parameter_rows.h"

namespace onelogit {

class RowTable {
 public:
  enum class Touched { all_rows, few_rows };

  // few_rows: a step may leave rows out. `seed` is that of the rounding to bfloat16.
  RowTable(const ParameterRows& rows, const OptimizerSpec& optimizer, Touched touched, std::uint64_t seed);

  // A step: begin_step, any number of update calls (each row at most once), end_step. `step` counts from 0.
  void begin_step(float learning_rate, std::uint64_t step);
  void end_step();

  // Rows [first, first + count) with gradients count×columns and, if there is a bias, count; every gradient is
  // multiplied by `scale`. Rows must be up to date. Disjoint rows from any threads at once.
  void update(std::int64_t first, std::int64_t count, const float* gradient, const float* bias_gradient,
              float scale) const;
  // The same for plain sgd on float32, straight from the factors of the gradient: W ← (1 − η λ) W − η aᵀ·b, with a
  // m×count (rows `lda` apart) and b m×columns. Only where updates_by_product().
  bool updates_by_product() const { return product_; }
  void update_by_product(std::int64_t first, std::int64_t count, std::int64_t m, const float* a, std::int64_t lda,
                         const float* b) const;
  void update_bias(std::int64_t first, std::int64_t count, const float* gradient, float scale) const;

  // Rows that rest are brought up to date. Disjoint rows from any threads at once.
  void catch_up(std::int64_t first, std::int64_t count) const;
  void catch_up_all();

  const ParameterRows& rows() const { return rows_; }

 private:
  template <class Body>
  void with_float32(std::int64_t first, std::int64_t count, std::uint64_t purpose, const Body& body) const;
  void step_values(const float* gradient, float scale, float* value, float* first_state, float* second_state,
                   std::int64_t n) const;

  ParameterRows rows_;
  OptimizerSpec optimizer_;
  bool rest_;     // rows that are left out change all the same
  bool product_;  // plain sgd on float32
  std::uint64_t seed_;
  SgdStep sgd_{};
  AdamStep adam_{};
  float learning_rate_ = 0;
  std::uint64_t step_ = 0;
  IdleHistory history_;
  mutable std::vector<std::uint32_t> updated_;  // of each row: how many steps of the history it has seen
};

}  // namespace onelogit
