#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/linear_loss/families.h"

namespace onelogit {

std::unique_ptr<CpuLinearLoss> make_cpu_linear_loss(const LinearLossPlan& plan, ClassGradientMemory memory) {
  switch (plan.loss.kind) {
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return make_softmax_linear_loss(plan);
    case LossKind::batch_cross_entropy:
      return memory == ClassGradientMemory::recompute ? make_softmax_linear_loss(plan)
                                                      : make_batch_softmax_linear_loss(plan);
    case LossKind::max_margin:
    case LossKind::batch_max_margin:
      return make_margin_linear_loss(plan);
    case LossKind::binary_cross_entropy:
      return make_logistic_linear_loss(plan);
    case LossKind::nce:
      return plan.loss.num_sampled > 0 ? make_sampled_nce_linear_loss(plan) : make_logistic_linear_loss(plan);
  }
  return nullptr;
}

std::unique_ptr<LinearLossKernel> CpuBackend::make_linear_loss(const LossSpec& spec, std::int64_t max_examples,
                                                               std::int64_t features, std::int64_t classes,
                                                               std::size_t workspace_bytes) {
  return make_cpu_linear_loss({spec, max_examples, features, classes, workspace_bytes});
}

}  // namespace onelogit
