#include "backend/cpu/row_table.h"

#include <algorithm>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/bfloat16.h"
#include "backend/cpu/kernels/optimizer.h"
#include "backend/cpu/threads.h"
#include "random/keys.h"

namespace onelogit {
namespace {

constexpr std::int64_t converted_at_once = 4096;  // float32 of a bfloat16 matrix: 16 KiB, in the first-level cache
// Purposes of random bits within a step.
constexpr std::uint64_t of_update = 0, of_catch_up = 1;

float* scratch(std::size_t size) {
  thread_local std::vector<float> memory;
  if (memory.size() < size) memory.resize(size);
  return memory.data();
}

}  // namespace

RowTable::RowTable(const ParameterRows& rows, const OptimizerSpec& optimizer, Touched touched, std::uint64_t seed)
    : rows_(rows),
      optimizer_(optimizer),
      rest_(touched == Touched::few_rows && idle_rows_change(optimizer)),
      product_(optimizer.kind == OptimizerKind::sgd && optimizer.momentum == 0.0 && rows.type == WeightType::float32),
      seed_(seed) {
  if (rest_) updated_.assign(static_cast<std::size_t>(rows.rows), 0);
}

void RowTable::begin_step(float learning_rate, std::uint64_t step) {
  learning_rate_ = learning_rate;
  step_ = step;
  sgd_ = make_sgd_step(optimizer_, learning_rate);
  if (optimizer_.kind == OptimizerKind::adam) adam_ = make_adam_step(optimizer_, learning_rate, step + 1);
  if (optimizer_.kind == OptimizerKind::adamw) adam_ = make_adamw_step(optimizer_, learning_rate, step + 1);
}

void RowTable::end_step() {
  if (!rest_) return;
  history_.push(make_idle_step(optimizer_, learning_rate_));
  if (history_.full()) catch_up_all();
}

// Runs body(values, offset, size) over rows [first, first + count) as float32, `offset` their distance from row `first`
// in numbers; what body leaves there is the matrix's.
template <class Body>
void RowTable::with_float32(std::int64_t first, std::int64_t count, std::uint64_t purpose, const Body& body) const {
  const std::int64_t columns = rows_.columns;
  if (rows_.type == WeightType::float32) {
    body(static_cast<float*>(rows_.value) + first * columns, std::int64_t{0}, count * columns);
    return;
  }
  const Bfloat16Kernels& kernels = bfloat16_kernels();
  const std::uint64_t key = mix_key(mix_key(seed_, step_), purpose);
  const std::int64_t at_once = std::max<std::int64_t>(1, converted_at_once / columns);
  float* const values = scratch(static_cast<std::size_t>(at_once * columns));
  for (std::int64_t row = 0; row < count; row += at_once) {
    const std::int64_t n = std::min(at_once, count - row);
    std::uint16_t* const stored = static_cast<std::uint16_t*>(rows_.value) + (first + row) * columns;
    kernels.to_float32(stored, n * columns, values);
    body(values, row * columns, n * columns);
    kernels.round_stochastic(values, n, columns, key, first + row, stored);
  }
}

void RowTable::step_values(const float* gradient, float scale, float* value, float* first_state, float* second_state,
                           std::int64_t n) const {
  const OptimizerKernels& kernels = optimizer_kernels();
  if (optimizer_.kind != OptimizerKind::sgd)
    kernels.adam(adam_, scale, gradient, value, first_state, second_state, n);
  else if (first_state != nullptr)
    kernels.sgd_momentum(sgd_, scale, gradient, value, first_state, n);
  else
    kernels.sgd(sgd_, scale, gradient, value, n);
}

void RowTable::update(std::int64_t first, std::int64_t count, const float* gradient, const float* bias_gradient,
                      float scale) const {
  const auto state = [&](int s, std::int64_t offset) {
    return rows_.state[s] == nullptr ? nullptr : rows_.state[s] + first * rows_.columns + offset;
  };
  with_float32(first, count, of_update, [&](float* values, std::int64_t offset, std::int64_t n) {
    step_values(gradient + offset, scale, values, state(0, offset), state(1, offset), n);
  });
  update_bias(first, count, bias_gradient, scale);
}

void RowTable::update_by_product(std::int64_t first, std::int64_t count, std::int64_t m, const float* a,
                                 std::int64_t lda, const float* b) const {
  const std::int64_t columns = rows_.columns;
  blas_gemm({true, false, count, columns, m, -sgd_.learning_rate, a, lda, b, columns,
             1.0f - sgd_.learning_rate * sgd_.weight_decay, static_cast<float*>(rows_.value) + first * columns,
             columns});
}

// Also where the last part of an update is: the rows have seen this step.
void RowTable::update_bias(std::int64_t first, std::int64_t count, const float* gradient, float scale) const {
  if (rows_.bias != nullptr) {
    const auto state = [&](int s) { return rows_.bias_state[s] == nullptr ? nullptr : rows_.bias_state[s] + first; };
    step_values(gradient, scale, rows_.bias + first, state(0), state(1), count);
  }
  if (rest_) std::fill_n(updated_.begin() + first, count, history_.now() + 1);
}

void RowTable::catch_up(std::int64_t first, std::int64_t count) const {
  if (!rest_) return;
  const std::uint32_t now = history_.now();
  const OptimizerKernels& kernels = optimizer_kernels();
  const bool velocity = optimizer_.kind == OptimizerKind::sgd && rows_.state[0] != nullptr;
  for (std::int64_t row = first; row < first + count;) {
    const std::uint32_t seen = updated_[row];
    // Rows of the same age are taken together.
    std::int64_t end = row + 1;
    while (end < first + count && updated_[end] == seen) ++end;
    if (seen < now) {
      const IdleStep& steps = history_.since(seen);
      with_float32(row, end - row, of_catch_up, [&](float* values, std::int64_t offset, std::int64_t n) {
        kernels.idle(steps, values, velocity ? rows_.state[0] + row * rows_.columns + offset : nullptr, n);
      });
      if (rows_.bias != nullptr)
        kernels.idle(steps, rows_.bias + row, velocity ? rows_.bias_state[0] + row : nullptr, end - row);
      std::fill(updated_.begin() + row, updated_.begin() + end, now);
    }
    row = end;
  }
}

void RowTable::catch_up_all() {
  if (!rest_) return;
  parallel_for(rows_.rows, 64, 16, [&](std::int64_t begin, std::int64_t end) { catch_up(begin, end - begin); });
  std::fill(updated_.begin(), updated_.end(), 0);
  history_.clear();
}

}  // namespace onelogit
