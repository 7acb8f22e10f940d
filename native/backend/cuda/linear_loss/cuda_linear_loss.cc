#include "backend/cuda/linear_loss/cuda_linear_loss.h"

#include "backend/cuda/linear_loss/class_gradients.h"

namespace onelogit::cuda {

void CudaLinearLoss::run(const LinearLossArguments& arguments, double* value) {
  StoredClassGradients classes(queue_, arguments);
  pass(arguments, classes, value);
}

std::unique_ptr<CudaLinearLoss> make_cuda_linear_loss(Queue& queue, const LinearLossPlan& plan,
                                                      ClassGradientMemory memory) {
  switch (plan.loss.kind) {
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return make_softmax_linear_loss(queue, plan);
    case LossKind::batch_cross_entropy:
      return memory == ClassGradientMemory::recompute ? make_softmax_linear_loss(queue, plan)
                                                      : make_batch_softmax_linear_loss(queue, plan);
    case LossKind::max_margin:
    case LossKind::batch_max_margin:
      return make_margin_linear_loss(queue, plan);
    case LossKind::binary_cross_entropy:
      return make_logistic_linear_loss(queue, plan);
    case LossKind::nce:
      return plan.loss.num_sampled > 0 ? make_sampled_nce_linear_loss(queue, plan)
                                       : make_logistic_linear_loss(queue, plan);
  }
  return nullptr;
}

}  // namespace onelogit::cuda
