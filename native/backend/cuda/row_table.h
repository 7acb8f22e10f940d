// Updates rows of a parameter matrix in place, and keeps account of rows that rest (optimizer/idle_steps.h): that of
// backend/cpu/row_table.h on the GPU. All pointers are device memory, all work is queued. What a step is, and how many
// there were, is known to kernels alone: the launches of a step may be replayed.
#pragma once

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/queue.h"
#include "optimizer/adamw.h"
#include "optimizer/idle_steps.h"
#include "optimizer/parameter_rows.h"
#include "optimizer/sgd.h"

namespace onelogit::cuda {

// Rows [first, first + count), or those that `ids` names, each at most once: *count of them, `most` at most.
struct RowList {
  const std::int32_t* ids;
  const std::int32_t* count;
  std::int64_t first, most;
};

// What kernels know of a step and of those before it.
struct RowStep {
  std::uint64_t update_key, catch_up_key;  // of the rounding to bfloat16
  SgdStep sgd;
  AdamStep adam;
  IdleStep idle;
  std::uint32_t now;   // steps in the history
  std::int32_t skips;  // nothing changes in this step
};

class RowTable {
 public:
  enum class Touched { all_rows, few_rows };

  // few_rows: a step may leave rows out. `seed` is that of the rounding to bfloat16. When `history` steps are
  // remembered, all rows are caught up.
  RowTable(Queue& queue, const ParameterRows& rows, const OptimizerSpec& optimizer, Touched touched, std::uint64_t seed,
           std::uint32_t history = IdleHistory::capacity);

  // A step: begin_step, any number of update calls (each row at most once), end_step. `step` counts from 0. Where
  // *undefined is not 0 (null: it is), nothing changes, and the step is none for rows that rest.
  void begin_step(float learning_rate, std::uint64_t step, const std::int32_t* undefined);
  void end_step();

  // Gradients count×columns and, if there is a bias, count; every gradient is multiplied by *scale (null: 1), those of
  // a row by its row_scale (of all rows; null: 1). Rows must be up to date.
  void update(std::int64_t first, std::int64_t count, const float* gradient, const float* bias_gradient,
              const float* scale, const float* row_scale = nullptr);
  void update_rows(const std::int32_t* ids, const std::int32_t* count, std::int64_t most, const float* gradient,
                   const float* bias_gradient, const float* scale);

  // Rows that rest are brought up to date.
  void catch_up(std::int64_t first, std::int64_t count);
  void catch_up_rows(const std::int32_t* ids, const std::int32_t* count, std::int64_t most);
  void catch_up_all();

  bool rests() const { return rest_; }  // whether rows that are left out have to be caught up
  const ParameterRows& rows() const { return rows_; }

 private:
  void update_list(const RowList& list, const float* gradient, const float* bias_gradient, const float* scale,
                   const float* row_scale);
  void catch_up_list(const RowList& list, std::uint32_t full, bool begins_anew);
  void begin_history(std::uint32_t full);

  Queue& queue_;
  ParameterRows rows_;
  OptimizerSpec optimizer_;
  bool rest_;  // rows that are left out change all the same
  std::uint64_t seed_;
  std::uint32_t history_;
  DeviceBuffer<RowStep> step_;
  DeviceBuffer<IdleStep> since_;         // history: all steps from each one to the latest
  DeviceBuffer<std::uint32_t> updated_;  // of each row: how many steps of the history it has seen
};

}  // namespace onelogit::cuda
