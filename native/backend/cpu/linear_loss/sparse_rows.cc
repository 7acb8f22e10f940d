#include "backend/cpu/linear_loss/sparse_rows.h"

#include <algorithm>

#include "backend/cpu/threads.h"
#include "tensor/bfloat16.h"

namespace onelogit {

void add_to_hidden(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries) {
  if (arguments.gradient_hidden == nullptr) return;
  const std::int64_t d = arguments.d;
  const bool bfloat16 = arguments.weight_type == WeightType::bfloat16;
  parallel_for(d, 64, 16, [&](std::int64_t begin, std::int64_t end) {
    for (const LogitEntry& entry : entries) {
      float* const to = arguments.gradient_hidden + entry.i * d;
      if (bfloat16) {
        const auto* row = static_cast<const std::uint16_t*>(arguments.weight) + entry.j * d;
        for (std::int64_t f = begin; f < end; ++f) to[f] += entry.coefficient * bfloat16_to_float32(row[f]);
      } else {
        const auto* row = static_cast<const float*>(arguments.weight) + entry.j * d;
        for (std::int64_t f = begin; f < end; ++f) to[f] += entry.coefficient * row[f];
      }
    }
  });
}

void add_rows(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries,
              const std::vector<std::int64_t>& row_of, float* to, float* bias) {
  const std::int64_t d = arguments.d;
  if (bias != nullptr)
    for (std::size_t n = 0; n < entries.size(); ++n) bias[row_of[n]] += entries[n].coefficient;
  if (to == nullptr) return;
  parallel_for(d, 64, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::size_t n = 0; n < entries.size(); ++n) {
      float* const row = to + row_of[n] * d;
      const float* const hidden = arguments.hidden + entries[n].i * d;
      for (std::int64_t f = begin; f < end; ++f) row[f] += entries[n].coefficient * hidden[f];
    }
  });
}

void collect_rows(const LinearLossArguments& arguments, const std::vector<LogitEntry>& entries, SparseRows& rows) {
  rows.classes.clear();
  rows.classes.reserve(entries.size());
  for (const LogitEntry& entry : entries) rows.classes.push_back(static_cast<std::int32_t>(entry.j));
  std::sort(rows.classes.begin(), rows.classes.end());
  rows.classes.erase(std::unique(rows.classes.begin(), rows.classes.end()), rows.classes.end());
  rows.gradient.assign(rows.classes.size() * static_cast<std::size_t>(arguments.d), 0.0f);
  rows.bias_gradient.assign(rows.classes.size(), 0.0f);
  std::vector<std::int64_t> row_of(entries.size());
  for (std::size_t n = 0; n < entries.size(); ++n)
    row_of[n] = std::lower_bound(rows.classes.begin(), rows.classes.end(), entries[n].j) - rows.classes.begin();
  add_rows(arguments, entries, row_of, rows.gradient.data(), rows.bias_gradient.data());
}

}  // namespace onelogit
