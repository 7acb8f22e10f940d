// The fused last layer with its optimizer: which gradients of the class matrix go where, and when.

#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/linear_loss/families.h"
#include "backend/cpu/linear_loss/sparse_rows.h"
#include "backend/cpu/row_table.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

// The rows of a block are updated as soon as their gradient is known.
class UpdatingClassGradients final : public ClassGradients {
 public:
  explicit UpdatingClassGradients(const RowTable& table) : table_(table), slices_(thread_count()) {}

  void block(const LinearLossArguments& arguments, int slice, const ClassBlock& block) override {
    Slice& own = slices_[static_cast<std::size_t>(slice)];
    own.bias.resize(std::max(own.bias.size(), static_cast<std::size_t>(block.classes)));
    if (table_.updates_by_product()) {
      store_class_gradients(arguments, block, nullptr, arguments.bias == nullptr ? nullptr : own.bias.data());
      table_.update_by_product(block.begin, block.classes, arguments.m, block.logits, block.classes, arguments.hidden);
      table_.update_bias(block.begin, block.classes, own.bias.data(), 1.0f);
      return;
    }
    own.gradient.resize(std::max(own.gradient.size(), static_cast<std::size_t>(block.classes * arguments.d)));
    store_class_gradients(arguments, block, own.gradient.data(), arguments.bias == nullptr ? nullptr : own.bias.data());
    table_.update(block.begin, block.classes, own.gradient.data(), own.bias.data(), 1.0f);
  }
  void relative(const LinearLossArguments&, std::vector<RelativeBlock>, const std::vector<LogitEntry>&) override {}
  void rows(const LinearLossArguments&, SparseRows&) override {}
  void undefined(const LinearLossArguments&) override {}

 private:
  struct Slice {
    std::vector<float> gradient, bias;  // b×d, b
  };
  const RowTable& table_;
  std::vector<Slice> slices_;
};

// Few rows: kept until the update.
class SparseClassGradients final : public ClassGradients {
 public:
  explicit SparseClassGradients(const RowTable& table) : table_(table) {}

  void before_read(std::int64_t first, std::int64_t count) override { table_.catch_up(first, count); }
  void block(const LinearLossArguments&, int, const ClassBlock&) override {}
  void relative(const LinearLossArguments&, std::vector<RelativeBlock>, const std::vector<LogitEntry>&) override {}
  // What was kept of the step before goes back, to be filled anew.
  void rows(const LinearLossArguments&, SparseRows& rows) override { std::swap(rows_, rows); }
  void undefined(const LinearLossArguments&) override { rows_ = SparseRows(); }

  double squares() const {
    const ReductionKernels& kernels = reduction_kernels();
    return kernels.sum_of_squares(rows_.gradient.data(), static_cast<std::int64_t>(rows_.gradient.size())) +
           (table_.rows().bias == nullptr ? 0.0 : kernels.sum_of_squares(rows_.bias_gradient.data(), rows_.size()));
  }
  void update(float scale) const {
    const std::int64_t d = table_.rows().columns;
    parallel_for(rows_.size(), 8, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n)
        table_.update(rows_.classes[static_cast<std::size_t>(n)], 1, rows_.gradient.data() + n * d,
                      rows_.bias_gradient.data() + n, scale);
    });
  }

 private:
  const RowTable& table_;
  SparseRows rows_;
};

// batch-cross-entropy in one pass: all rows are kept as they come, relative to their blocks' maxima, and scaled on the
// way to the update.
class RelativeClassGradients final : public ClassGradients {
 public:
  RelativeClassGradients(const RowTable& table, float* gradient, float* bias_gradient)
      : table_(table), gradient_(gradient), bias_gradient_(bias_gradient) {}

  void block(const LinearLossArguments& arguments, int, const ClassBlock& block) override {
    store_class_gradients(arguments, block, gradient_ + block.begin * arguments.d, bias_gradient_ + block.begin);
  }
  void relative(const LinearLossArguments& arguments, std::vector<RelativeBlock> blocks,
                const std::vector<LogitEntry>& labels) override {
    blocks_ = std::move(blocks);
    collect_rows(arguments, labels, labels_);
  }
  void rows(const LinearLossArguments&, SparseRows&) override {}
  void undefined(const LinearLossArguments&) override {}

  void update() const {
    parallel_for(static_cast<std::int64_t>(blocks_.size()), 1, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) update_block(blocks_[static_cast<std::size_t>(n)]);
    });
  }

 private:
  // Runs of rows without a label take the block's factor as the update's scale; a label's row is added up first.
  void update_block(const RelativeBlock& block) const {
    const std::int64_t d = table_.rows().columns, end = block.begin + block.classes;
    std::int64_t row = block.begin;
    auto label = std::lower_bound(labels_.classes.begin(), labels_.classes.end(), block.begin);
    while (row < end) {
      const std::int64_t next = label == labels_.classes.end() ? end : std::min<std::int64_t>(end, *label);
      if (next > row) table_.update(row, next - row, gradient_ + row * d, bias_gradient_ + row, block.factor);
      row = next;
      if (row == end) break;
      const std::int64_t n = label - labels_.classes.begin();
      float* const gradient = gradient_ + row * d;
      const float* const own = labels_.gradient.data() + n * d;
      for (std::int64_t f = 0; f < d; ++f) gradient[f] = block.factor * gradient[f] + own[f];
      bias_gradient_[row] = block.factor * bias_gradient_[row] + labels_.bias_gradient[static_cast<std::size_t>(n)];
      table_.update(row, 1, gradient, bias_gradient_ + row, 1.0f);
      ++row;
      ++label;
    }
  }

  const RowTable& table_;
  float *gradient_, *bias_gradient_;  // k×d, k
  std::vector<RelativeBlock> blocks_;
  SparseRows labels_;
};

bool all_finite(const float* values, std::int64_t n) {
  // The sum of x·0 is 0 or NaN: one pass without a branch per number.
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += values[i] * 0.0f;
  return sum == 0.0f;
}

class CpuLinearLossTraining final : public LinearLossTraining {
 public:
  explicit CpuLinearLossTraining(const LinearLossTrainingPlan& plan)
      : plan_(plan),
        sparse_loss_(touches_few_classes(plan.loss)),
        table_(plan.classes, plan.optimizer, sparse_loss_ ? RowTable::Touched::few_rows : RowTable::Touched::all_rows,
               plan.seed),
        kernel_(make_cpu_linear_loss(kernel_plan(), plan.memory)),
        updating_(table_),
        sparse_(table_) {
    const bool relative =
        plan.loss.kind == LossKind::batch_cross_entropy && !plan.clips && plan.memory == ClassGradientMemory::store;
    if (!sparse_loss_ && (plan.clips || relative)) {
      const ParameterRows& classes = plan.classes;
      gradient_ = Buffer(cpu_backend(), static_cast<std::size_t>(classes.rows * classes.columns) * sizeof(float));
      bias_gradient_ = Buffer(cpu_backend(), static_cast<std::size_t>(classes.rows) * sizeof(float));
    }
    if (relative) relative_.emplace(table_, gradient_.as<float>(), bias_gradient_.as<float>());
    if (is_sampled_nce(plan.loss)) {
      LinearLossPlan margin = kernel_plan();
      margin.loss = LossSpec{};
      margin.loss.kind = LossKind::max_margin;
      if (margin.k > 1) all_logits_ = make_cpu_linear_loss(margin);
    }
  }

  void run(const Batch& batch, double* value, std::int64_t* correct) override {
    table_.begin_step(batch.learning_rate, batch.step);
    LinearLossArguments arguments =
        linear_loss_arguments(plan_.classes, batch.hidden, batch.labels, batch.m, batch.step);
    arguments.gradient_hidden = batch.gradient_hidden;
    arguments.correct = correct;
    defined_ = all_finite(batch.hidden, batch.m * arguments.d);
    if (!defined_) {
      *value = NAN;
      *correct = 0;
      return;
    }
    if (sparse_loss_) {
      kernel_->pass(arguments, sparse_, value);
    } else if (relative_) {
      kernel_->pass(arguments, *relative_, value);
    } else if (plan_.clips) {
      arguments.gradient_weight = gradient_.as<float>();
      arguments.gradient_bias = bias_gradient_.as<float>();
      kernel_->run(arguments, value);
    } else {
      kernel_->pass(arguments, updating_, value);
    }
  }

  void gradient_squares(double* squares) override {
    if (sparse_loss_) {
      *squares = sparse_.squares();
      return;
    }
    const std::int64_t size = plan_.classes.rows * plan_.classes.columns;
    std::vector<double> sums(static_cast<std::size_t>(thread_count()));
    const auto slices = static_cast<std::int64_t>(sums.size());
    parallel_slices(static_cast<int>(slices), [&](int slice) {
      const std::int64_t begin = size * slice / slices, end = size * (slice + 1) / slices;
      sums[static_cast<std::size_t>(slice)] =
          reduction_kernels().sum_of_squares(gradient_.as<float>() + begin, end - begin);
    });
    double total = plan_.classes.bias == nullptr
                       ? 0.0
                       : reduction_kernels().sum_of_squares(bias_gradient_.as<float>(), plan_.classes.rows);
    for (const double sum : sums) total += sum;
    *squares = total;
  }

  void update(const float* gradient_scale) override {
    if (!defined_) return;
    const float scale = gradient_scale == nullptr ? 1.0f : *gradient_scale;
    if (sparse_loss_) {
      sparse_.update(scale);
    } else if (relative_) {
      relative_->update();
    } else if (plan_.clips) {
      parallel_for(plan_.classes.rows, 64, 16, [&](std::int64_t begin, std::int64_t end) {
        table_.update(begin, end - begin, gradient_.as<float>() + begin * plan_.classes.columns,
                      bias_gradient_.as<float>() + begin, scale);
      });
    }
    table_.end_step();
  }

  void catch_up() override { table_.catch_up_all(); }

  void evaluate(const float* hidden, const std::int32_t* labels, std::int64_t m, std::uint64_t step, double* value,
                std::int64_t* correct) override {
    NoClassGradients classes;
    LinearLossArguments arguments = linear_loss_arguments(plan_.classes, hidden, labels, m, step);
    arguments.correct = correct;
    kernel_->pass(arguments, classes, value);
    if (*correct >= 0) return;
    // Sampled nce has not seen all logits: with one class there is nothing to get wrong.
    *correct = m;
    double margin_value = 0;
    if (all_logits_) all_logits_->pass(arguments, classes, &margin_value);
  }

 private:
  LinearLossPlan kernel_plan() const {
    return {plan_.loss, plan_.max_examples, plan_.classes.columns, plan_.classes.rows, plan_.workspace_bytes};
  }

  LinearLossTrainingPlan plan_;
  bool sparse_loss_;
  RowTable table_;
  std::unique_ptr<CpuLinearLoss> kernel_;
  std::unique_ptr<CpuLinearLoss> all_logits_;  // counts correct answers where kernel_ cannot
  UpdatingClassGradients updating_;
  SparseClassGradients sparse_;
  std::optional<RelativeClassGradients> relative_;
  Buffer gradient_, bias_gradient_;  // k×d, k: where a step has to keep them as a whole
  bool defined_ = true;
};

}  // namespace

std::unique_ptr<LinearLossTraining> CpuBackend::make_linear_loss_training(const LinearLossTrainingPlan& plan) {
  return std::make_unique<CpuLinearLossTraining>(plan);
}

}  // namespace onelogit
