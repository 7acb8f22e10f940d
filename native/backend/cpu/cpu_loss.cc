#include "backend/cpu/cpu_loss.h"

#include "backend/cpu/loss/families.h"

namespace onelogit {

std::unique_ptr<LossKernel> make_cpu_loss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples) {
  switch (spec.kind) {
    case LossKind::cross_entropy:
    case LossKind::self_normalization:
      return make_cpu_softmax_loss(spec, classes, max_examples);
    case LossKind::batch_cross_entropy:
      return make_cpu_batch_softmax_loss(classes, max_examples);
    case LossKind::max_margin:
    case LossKind::batch_max_margin:
      return make_cpu_margin_loss(spec, classes, max_examples);
    case LossKind::nce:
      if (spec.num_sampled > 0) return make_cpu_sampled_nce(spec, classes, max_examples);
      [[fallthrough]];
    case LossKind::binary_cross_entropy:
      return make_cpu_logistic_loss(spec, classes, max_examples);
  }
  return nullptr;
}

}  // namespace onelogit
