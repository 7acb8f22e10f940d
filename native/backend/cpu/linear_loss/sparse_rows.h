// Gradients of single entries (i, j) of the logits: what they give to the hidden activations, and to the few rows of
// the class matrix that they touch. Everything is cut by features, so that duplicate classes need no locks and sums are
// in the order of the entries whatever the number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cpu/linear_loss/class_gradients.h"

namespace onelogit {

// gradient_hidden_i += coefficient · weight_j; nothing without gradient_hidden.
void add_to_hidden(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries);

// row_j = Σ coefficient · hidden_i over the entries of class j.
void collect_rows(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries, SparseRows& rows);

// to_j += coefficient · hidden_i, with a row of `to` (stride d) and of `bias` for each entry: row_of[n].
void add_rows(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries,
              const std::vector<std::int64_t>& row_of, float* to, float* bias);

}  // namespace onelogit
