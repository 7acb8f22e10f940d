#include "backend/cuda/linear_loss/linear_loss_training.h"

#include <optional>

#include "backend/cuda/linear_loss/class_gradients.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/linear_loss/training.h"
#include "backend/cuda/row_table.h"
#include "backend/cuda/square_sum.h"

namespace onelogit::cuda {
namespace {

// The gradient of all rows, where a step has to keep it.
struct WholeGradient {
  DeviceBuffer<float> weight, bias;  // k×d; k, if there is a bias
  WholeGradient() = default;
  explicit WholeGradient(const ParameterRows& rows)
      : weight(static_cast<std::size_t>(rows.rows * rows.columns), "the gradient of the class matrix"),
        bias(rows.bias == nullptr ? 0 : static_cast<std::size_t>(rows.rows), "the gradient of the class matrix") {}
};

// The rows of a block are updated as soon as their gradient is known; it takes the place of the block's weights.
class UpdatingClassGradients final : public ClassGradients {
 public:
  UpdatingClassGradients(Queue& queue, RowTable& table) : queue_(queue), table_(table) {}

  void block(const LinearLossArguments& arguments, const ClassBlock& block) override {
    store_class_gradients(queue_, arguments, block, block.rows, arguments.bias == nullptr ? nullptr : block.bias_row);
    table_.update(block.logits.begin, block.logits.b, block.rows, block.bias_row, nullptr);
  }
  void relative(const LinearLossArguments&, const RelativeBlocks&, const SparseRows&) override {}
  void rows(const LinearLossArguments&, const SparseRows&, const float*) override {}

 private:
  Queue& queue_;
  RowTable& table_;
};

// Few rows: they stay where the pass put them until the update.
class SparseClassGradients final : public ClassGradients {
 public:
  SparseClassGradients(Queue& queue, RowTable& table) : queue_(queue), table_(table) {}

  void before_read(std::int64_t first, std::int64_t count) override { table_.catch_up(first, count); }
  void before_read_rows(const std::int32_t* classes, const std::int32_t* count, std::int64_t most) override {
    table_.catch_up_rows(classes, count, most);
  }
  void block(const LinearLossArguments&, const ClassBlock&) override {}
  void relative(const LinearLossArguments&, const RelativeBlocks&, const SparseRows&) override {}
  void rows(const LinearLossArguments&, const SparseRows& rows, const float*) override { rows_ = rows; }

  void add_squares(double* partial, double* total) const {
    const ParameterRows& classes = table_.rows();
    cuda::add_squares(queue_.stream, rows_.gradient, rows_.count, rows_.most, classes.columns, partial, total);
    if (classes.bias != nullptr)
      cuda::add_squares(queue_.stream, rows_.bias_gradient, rows_.count, rows_.most, 1, partial, total);
  }
  void update(const float* scale) const {
    table_.update_rows(rows_.classes, rows_.count, rows_.most, rows_.gradient, rows_.bias_gradient, scale);
  }

 private:
  Queue& queue_;
  RowTable& table_;
  SparseRows rows_{};
};

// batch-cross-entropy in one pass: all rows are kept as they come, relative to their blocks' maxima, and scaled on the
// way to the update; but the rows of labels are as they shall be.
class RelativeClassGradients final : public ClassGradients {
 public:
  RelativeClassGradients(Queue& queue, RowTable& table, const WholeGradient& gradient)
      : queue_(queue),
        table_(table),
        gradient_(gradient),
        row_factor_(static_cast<std::size_t>(table.rows().rows), "the factors of rows") {}

  void block(const LinearLossArguments& arguments, const ClassBlock& block) override {
    const std::int64_t begin = block.logits.begin;
    store_class_gradients(queue_, arguments, block, gradient_.weight.data() + begin * arguments.d,
                          arguments.bias == nullptr ? nullptr : gradient_.bias.data() + begin);
  }
  void relative(const LinearLossArguments& arguments, const RelativeBlocks& blocks, const SparseRows& labels) override {
    add_rows(queue_.stream, labels, arguments.d, blocks.factor, blocks.block_classes, gradient_.weight.data(),
             gradient_.bias.data());
    spread_factors(queue_.stream, blocks.factor, blocks.block_classes, arguments.k, row_factor_.data());
    set_rows(queue_.stream, labels, 1.0f, row_factor_.data());
  }
  void rows(const LinearLossArguments&, const SparseRows&, const float*) override {}

  void update() const {
    table_.update(0, table_.rows().rows, gradient_.weight.data(), gradient_.bias.data(), nullptr, row_factor_.data());
  }

 private:
  Queue& queue_;
  RowTable& table_;
  const WholeGradient& gradient_;
  DeviceBuffer<float> row_factor_;  // k
};

class CudaLinearLossTraining final : public LinearLossTraining {
 public:
  CudaLinearLossTraining(Queue& queue, const LinearLossTrainingPlan& plan)
      : queue_(queue),
        plan_(plan),
        way_(way_of(plan)),
        table_(queue, plan.classes, plan.optimizer,
               way_ == Way::few_rows ? RowTable::Touched::few_rows : RowTable::Touched::all_rows, plan.seed),
        kernel_(make_cuda_linear_loss(queue, kernel_plan(), plan.memory)),
        updating_(queue, table_),
        sparse_(queue, table_),
        undefined_(1, "finite activations") {
    if (way_ == Way::whole || way_ == Way::relative) gradient_ = WholeGradient(plan.classes);
    if (way_ == Way::relative) relative_.emplace(queue, table_, gradient_);
    if (plan.clips) partial_ = DeviceBuffer<double>(static_cast<std::size_t>(most_square_partials), "squares");
    if (is_sampled_nce(plan.loss)) {
      LinearLossPlan margin = kernel_plan();
      margin.loss = LossSpec{};
      margin.loss.kind = LossKind::max_margin;
      margin_value_ = DeviceBuffer<double>(1, "a value");
      if (margin.k > 1) all_logits_ = make_cuda_linear_loss(queue, margin);
    }
  }

  void run(const Batch& batch, double* value, std::int64_t* correct) override {
    LinearLossArguments arguments =
        linear_loss_arguments(plan_.classes, batch.hidden, batch.labels, batch.m, batch.step);
    arguments.gradient_hidden = batch.gradient_hidden;
    arguments.correct = correct;
    find_undefined(queue_.stream, batch.hidden, batch.m * arguments.d, undefined_.data());
    table_.begin_step(batch.learning_rate, batch.step, undefined_.data());
    switch (way_) {
      case Way::blocks:
        kernel_->pass(arguments, updating_, value);
        break;
      case Way::few_rows:
        kernel_->pass(arguments, sparse_, value);
        break;
      case Way::relative:
        kernel_->pass(arguments, *relative_, value);
        break;
      case Way::whole:
        arguments.gradient_weight = gradient_.weight.data();
        arguments.gradient_bias = gradient_.bias.data();
        kernel_->run(arguments, value);
        break;
    }
    mark_undefined(queue_.stream, undefined_.data(), value, correct);
  }

  void gradient_squares(double* squares) override {
    check(cudaMemsetAsync(squares, 0, sizeof(double), queue_.stream), "squares");
    if (way_ == Way::few_rows) return sparse_.add_squares(partial_.data(), squares);
    const ParameterRows& classes = plan_.classes;
    add_squares(queue_.stream, gradient_.weight.data(), nullptr, classes.rows, classes.columns, partial_.data(),
                squares);
    if (classes.bias != nullptr)
      add_squares(queue_.stream, gradient_.bias.data(), nullptr, classes.rows, 1, partial_.data(), squares);
  }

  void update(const float* gradient_scale) override {
    if (way_ == Way::few_rows) sparse_.update(gradient_scale);
    if (way_ == Way::relative) relative_->update();
    if (way_ == Way::whole)
      table_.update(0, plan_.classes.rows, gradient_.weight.data(), gradient_.bias.data(), gradient_scale);
    table_.end_step();
  }

  void catch_up() override { table_.catch_up_all(); }

  void evaluate(const float* hidden, const std::int32_t* labels, std::int64_t m, std::uint64_t step, double* value,
                std::int64_t* correct) override {
    NoClassGradients classes;
    LinearLossArguments arguments = linear_loss_arguments(plan_.classes, hidden, labels, m, step);
    if (!is_sampled_nce(plan_.loss)) arguments.correct = correct;
    kernel_->pass(arguments, classes, value);
    if (!is_sampled_nce(plan_.loss)) return;
    // Sampled nce has not seen all logits: with one class there is nothing to get wrong.
    arguments.correct = correct;
    if (all_logits_)
      all_logits_->pass(arguments, classes, margin_value_.data());
    else
      set_count(queue_.stream, correct, m);
  }

 private:
  // Where the gradient of the class matrix goes.
  enum class Way { blocks, few_rows, relative, whole };
  static Way way_of(const LinearLossTrainingPlan& plan) {
    if (touches_few_classes(plan.loss)) return Way::few_rows;
    if (plan.clips) return Way::whole;
    return plan.loss.kind == LossKind::batch_cross_entropy && plan.memory == ClassGradientMemory::store ? Way::relative
                                                                                                        : Way::blocks;
  }
  LinearLossPlan kernel_plan() const {
    return {plan_.loss,
            plan_.max_examples,
            plan_.classes.columns,
            plan_.classes.rows,
            plan_.workspace_bytes,
            way_ == Way::blocks || (plan_.classes.type == WeightType::bfloat16 && converts_bfloat16(queue_))};
  }

  Queue& queue_;
  LinearLossTrainingPlan plan_;
  Way way_;
  RowTable table_;
  std::unique_ptr<CudaLinearLoss> kernel_;
  std::unique_ptr<CudaLinearLoss> all_logits_;  // counts correct answers where kernel_ cannot
  UpdatingClassGradients updating_;
  SparseClassGradients sparse_;
  WholeGradient gradient_;
  std::optional<RelativeClassGradients> relative_;
  DeviceBuffer<std::int32_t> undefined_;  // of the step at hand: not 0 where its hidden activations are not finite
  DeviceBuffer<double> partial_, margin_value_;
};

}  // namespace

std::unique_ptr<LinearLossTraining> make_cuda_linear_loss_training(Queue& queue, const LinearLossTrainingPlan& plan) {
  return std::make_unique<CudaLinearLossTraining>(queue, plan);
}

}  // namespace onelogit::cuda
