// An embedding within a training pass: its table is read and updated by rows, and rows that rest are caught up when
// they are read next (optimizer/idle_steps.h).
#pragma once

#include <cstdint>

namespace onelogit {

class EmbeddingTraining {
 public:
  virtual ~EmbeddingTraining() = default;
  // y (n×columns) = rows `ids` of the table; ids n, each a row of the table. Every forward of a step that is to be
  // learnt from is followed by backward() and update().
  virtual void forward(const std::int32_t* ids, std::int64_t n, float* y) = 0;
  // The rows' gradients from dy (n×columns): an id that occurs often has the sum.
  virtual void backward(const std::int32_t* ids, std::int64_t n, const float* dy) = 0;
  // *squares (float64, device) += Σ g²
  virtual void add_gradient_squares(double* squares) = 0;
  // `step` counts from 0; `gradient_scale` is one device float32 that multiplies every gradient, or null.
  virtual void update(float learning_rate, std::uint64_t step, const float* gradient_scale) = 0;
  // Brings every row up to date: before anybody else reads the table or its optimizer state.
  virtual void catch_up() = 0;
};

}  // namespace onelogit
