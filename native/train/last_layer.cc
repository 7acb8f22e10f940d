#include "train/last_layer.h"

#include <algorithm>

#include "error.h"

namespace onelogit {
namespace {

constexpr std::int64_t most_logits = std::int64_t{1} << 20, most_stored = std::int64_t{1} << 28;

}  // namespace

std::string_view head_memory_name(HeadMemory memory) {
  switch (memory) {
    case HeadMemory::logits:
      return "logits";
    case HeadMemory::store:
      return "store";
    case HeadMemory::recompute:
      return "recompute";
    case HeadMemory::automatic:
      break;
  }
  return "auto";
}

HeadMemory choose_head_memory(const Model& model, const TrainOptions& options) {
  const bool bfloat16 = model.class_weight().type == WeightType::bfloat16;
  const bool clips = options.optimizer.clip_norm > 0, every_class = !touches_few_classes(options.loss);
  if (options.memory == HeadMemory::logits && bfloat16)
    throw Error(
        ErrorKind::range, "ERR_ONELOGIT_RANGE",
        "Expected 'auto', 'store' or 'recompute' for memory of model.fit with a class matrix stored as bfloat16 "
        "but received 'logits'");
  if (options.memory == HeadMemory::recompute && clips && every_class)
    throw Error(
        ErrorKind::range, "ERR_ONELOGIT_RANGE",
        "Expected 'auto' or 'store' for memory of model.fit with clipNorm (the norm is known only when the whole "
        "gradient is) but received 'recompute'");
  if (options.memory != HeadMemory::automatic) return options.memory;
  if (!bfloat16 && options.batch_size <= most_logits / model.classes()) return HeadMemory::logits;
  const bool small = model.feature_size() <= most_stored / model.classes();
  return small || (clips && every_class) ? HeadMemory::store : HeadMemory::recompute;
}

LastLayer::LastLayer(Model& model, const TrainOptions& options, const LossSpec& loss, std::int64_t max_validation)
    : model_(model) {
  const std::int64_t m = options.batch_size;
  const HeadMemory memory = choose_head_memory(model, options);
  const bool fused = memory != HeadMemory::logits;
  model.plan_training(m, options.seed, fused ? Model::PassEnd::features : Model::PassEnd::logits);
  model.parameter_slices(optimizer_state_count(options.optimizer));
  model.plan_row_updates(options.optimizer);
  if (options.optimizer.clip_norm > 0) squares_ = Buffer(model.backend(), sizeof(double));
  const std::int64_t most = std::max(m, max_validation);
  if (!fused) {
    kernel_ = model.backend().make_loss(loss, model.classes(), most);
    return;
  }
  LinearLossTrainingPlan plan;
  plan.loss = loss;
  plan.optimizer = options.optimizer;
  plan.classes = model.class_rows();
  plan.max_examples = most;
  plan.workspace_bytes = options.workspace_bytes;
  plan.memory = memory == HeadMemory::store ? ClassGradientMemory::store : ClassGradientMemory::recompute;
  plan.clips = options.optimizer.clip_norm > 0;
  plan.seed = options.seed;
  fused_ = model.backend().make_linear_loss_training(plan);
}

void LastLayer::run(const std::int32_t* labels, std::int64_t m, std::uint64_t step, float learning_rate, double* value,
                    std::int64_t* correct) {
  const float* output = model_.forward_training(m, step);
  if (fused_) {
    fused_->run({output, labels, m, step, learning_rate, model_.output_gradient()}, value, correct);
    return;
  }
  kernel_->value_and_gradient(output, labels, m, step, value, model_.output_gradient());
  model_.backend().count_correct(output, labels, m, model_.classes(), correct);
}

const double* LastLayer::gradient_squares() {
  if (fused_)
    fused_->gradient_squares(squares_.as<double>());
  else
    model_.backend().zero(squares_.data(), sizeof(double));
  model_.add_row_gradient_squares(squares_.as<double>());
  return squares_.as<double>();
}

void LastLayer::update(float learning_rate, std::uint64_t step, const float* gradient_scale) {
  if (fused_) fused_->update(gradient_scale);
  model_.update_rows(learning_rate, step, gradient_scale);
}

void LastLayer::catch_up() {
  if (fused_) fused_->catch_up();
  model_.catch_up_rows();
}

void LastLayer::evaluate(const std::int32_t* labels, std::int64_t m, std::uint64_t step, double* value,
                         std::int64_t* correct) {
  const float* output = model_.forward_inference(m, fused_ ? Output::features : Output::logits);
  if (fused_) {
    fused_->evaluate(output, labels, m, step, value, correct);
    return;
  }
  kernel_->value_and_gradient(output, labels, m, step, value, nullptr);
  model_.backend().count_correct(output, labels, m, model_.classes(), correct);
}

}  // namespace onelogit
