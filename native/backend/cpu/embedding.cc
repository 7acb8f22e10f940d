#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/row_table.h"
#include "backend/cpu/threads.h"
#include "backend/index_range.h"

namespace onelogit {
namespace {

class CpuEmbeddingTraining final : public EmbeddingTraining {
 public:
  CpuEmbeddingTraining(const ParameterRows& table, const OptimizerSpec& optimizer)
      : table_(table, optimizer, RowTable::Touched::few_rows, 0) {}

  void forward(const std::int32_t* ids, std::int64_t n, float* y) override {
    sort(ids, n);
    parallel_for(static_cast<std::int64_t>(rows_.size()), 64, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) table_.catch_up(rows_[static_cast<std::size_t>(r)], 1);
    });
    cpu_backend().embedding_forward(ids, static_cast<const float*>(table_.rows().value), y, n, table_.rows().columns);
  }

  void backward(const std::int32_t* ids, std::int64_t n, const float* dy) override {
    sort(ids, n);
    const std::int64_t columns = table_.rows().columns;
    gradient_.assign(rows_.size() * static_cast<std::size_t>(columns), 0.0f);
    // In the order of the batch within a row: the sums do not depend on threads.
    parallel_for(
        static_cast<std::int64_t>(rows_.size()), row_grain(columns), 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r) {
            float* const row = gradient_.data() + r * columns;
            for (std::int64_t at = first_[static_cast<std::size_t>(r)]; at < first_[static_cast<std::size_t>(r) + 1];
                 ++at)
              elementwise_kernels().add(row, dy + order_[static_cast<std::size_t>(at)] * columns, row, columns);
          }
        });
  }

  void add_gradient_squares(double* squares) override {
    *squares += reduction_kernels().sum_of_squares(gradient_.data(), static_cast<std::int64_t>(gradient_.size()));
  }

  void update(float learning_rate, std::uint64_t step, const float* gradient_scale) override {
    const std::int64_t columns = table_.rows().columns;
    const float scale = gradient_scale == nullptr ? 1.0f : *gradient_scale;
    table_.begin_step(learning_rate, step);
    parallel_for(
        static_cast<std::int64_t>(rows_.size()), row_grain(columns), 1, [&](std::int64_t begin, std::int64_t end) {
          for (std::int64_t r = begin; r < end; ++r)
            table_.update(rows_[static_cast<std::size_t>(r)], 1, gradient_.data() + r * columns, nullptr, scale);
        });
    table_.end_step();
  }

  void catch_up() override { table_.catch_up_all(); }

 private:
  // The different ids, ascending, and where in the batch each of them is.
  void sort(const std::int32_t* ids, std::int64_t n) {
    order_.resize(static_cast<std::size_t>(n));
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](std::int64_t a, std::int64_t b) { return ids[a] != ids[b] ? ids[a] < ids[b] : a < b; });
    rows_.clear();
    first_.clear();
    for (std::int64_t at = 0; at < n; ++at) {
      const std::int32_t id = ids[order_[static_cast<std::size_t>(at)]];
      if (rows_.empty() || rows_.back() != id) {
        rows_.push_back(id);
        first_.push_back(at);
      }
    }
    first_.push_back(n);
  }

  RowTable table_;
  std::vector<std::int64_t> order_;  // n: positions in the batch, by id
  std::vector<std::int32_t> rows_;   // the different ids, ascending
  std::vector<std::int64_t> first_;  // one more than rows_: where each one's positions begin in order_
  std::vector<float> gradient_;      // of rows_
};

}  // namespace

void CpuBackend::load_indices(const std::int32_t* source, const std::int64_t* rows, std::int64_t m, std::int64_t length,
                              std::int64_t vocabulary, ExampleNumbers numbers, std::int32_t* out) {
  for (std::int64_t i = 0; i < m; ++i) {
    const std::int64_t row = rows == nullptr ? i : rows[i];
    for (std::int64_t n = 0; n < length; ++n) {
      // Read once: what is checked is what is used, whoever else writes there.
      const std::int32_t id = source[row * length + n];
      if (id < 0 || id >= vocabulary) throw_index_range(id, vocabulary, numbers.of(i));
      out[i * length + n] = id;
    }
  }
}

void CpuBackend::embedding_forward(const std::int32_t* ids, const float* table, float* y, std::int64_t n,
                                   std::int64_t columns) {
  parallel_for(n, row_grain(columns), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      std::memcpy(y + i * columns, table + ids[i] * columns, static_cast<std::size_t>(columns) * sizeof(float));
  });
}

std::unique_ptr<EmbeddingTraining> CpuBackend::make_embedding_training(const ParameterRows& table,
                                                                       const OptimizerSpec& optimizer) {
  return std::make_unique<CpuEmbeddingTraining>(table, optimizer);
}

}  // namespace onelogit
