#include "backend/cuda/embedding_training.h"

#include <algorithm>

#include "backend/cuda/embedding.h"
#include "backend/cuda/id_groups.h"
#include "backend/cuda/row_table.h"
#include "backend/cuda/square_sum.h"

namespace onelogit::cuda {
namespace {

class CudaEmbeddingTraining final : public EmbeddingTraining {
 public:
  CudaEmbeddingTraining(Queue& queue, const ParameterRows& table, const OptimizerSpec& optimizer)
      : queue_(queue),
        table_(queue, table, optimizer, RowTable::Touched::few_rows, 0),
        partial_squares_(static_cast<std::size_t>(most_square_partials), "partial sums") {}

  void forward(const std::int32_t* ids, std::int64_t n, float* y) override {
    if (n == 0) return;
    if (table_.rests()) {
      group(ids, n);
      table_.catch_up_rows(groups_.ids, groups_.count, groups_.most);
    }
    embedding_forward(queue_.stream, ids, static_cast<const float*>(table_.rows().value), y, n, table_.rows().columns);
  }

  void backward(const std::int32_t* ids, std::int64_t n, const float* dy) override {
    groups_.most = 0;
    if (n == 0) return;
    group(ids, n);
    sum_groups(queue_.stream, groups_, {.columns = table_.rows().columns, .rows = dy, .stored = n}, gradient_.data());
  }

  void add_gradient_squares(double* squares) override {
    if (groups_.most == 0) return;
    add_squares(queue_.stream, gradient_.data(), groups_.count, groups_.most, table_.rows().columns,
                partial_squares_.data(), squares);
  }

  void update(float learning_rate, std::uint64_t step, const float* gradient_scale) override {
    table_.begin_step(learning_rate, step, nullptr);
    table_.update_rows(groups_.ids, groups_.count, groups_.most, gradient_.data(), nullptr, gradient_scale);
    table_.end_step();
  }

  void catch_up() override { table_.catch_up_all(); }

 private:
  // Memory grows with the longest batch so far.
  void group(const std::int32_t* ids, std::int64_t n) {
    if (n > most_ids_) {
      const ParameterRows& rows = table_.rows();
      finder_ = IdGroups(n, rows.rows);
      gradient_ = DeviceBuffer<float>(static_cast<std::size_t>(std::min(n, rows.rows) * rows.columns),
                                      "the gradient of an embedding");
      most_ids_ = n;
    }
    groups_ = finder_.find(queue_.stream, ids, n);
  }

  Queue& queue_;
  RowTable table_;
  std::int64_t most_ids_ = 0;
  IdGroups finder_;
  Groups groups_{};               // of the batch
  DeviceBuffer<float> gradient_;  // of groups_
  DeviceBuffer<double> partial_squares_;
};

}  // namespace

std::unique_ptr<EmbeddingTraining> make_embedding_training(Queue& queue, const ParameterRows& table,
                                                           const OptimizerSpec& optimizer) {
  return std::make_unique<CudaEmbeddingTraining>(queue, table, optimizer);
}

}  // namespace onelogit::cuda
