#include "backend/cuda/linear_loss/class_gradients.h"

#include "backend/cuda/dense.h"

namespace onelogit::cuda {

void StoredClassGradients::block(const LinearLossArguments& arguments, const ClassBlock& block) {
  const std::int64_t begin = block.logits.begin;
  store_class_gradients(
      queue_, arguments, block,
      arguments.gradient_weight == nullptr ? nullptr : arguments.gradient_weight + begin * arguments.d,
      arguments.gradient_bias == nullptr ? nullptr : arguments.gradient_bias + begin);
}

void StoredClassGradients::relative(const LinearLossArguments& arguments, const RelativeBlocks& blocks,
                                    const SparseRows& labels) {
  const std::int64_t d = arguments.d, k = arguments.k;
  if (arguments.gradient_weight != nullptr)
    scale_runs(queue_.stream, arguments.gradient_weight, k * d, blocks.block_classes * d, blocks.factor);
  if (arguments.gradient_bias != nullptr)
    scale_runs(queue_.stream, arguments.gradient_bias, k, blocks.block_classes, blocks.factor);
  add_rows(queue_.stream, labels, d, nullptr, 1, arguments.gradient_weight, arguments.gradient_bias);
}

void StoredClassGradients::rows(const LinearLossArguments& arguments, const SparseRows& rows, const float* undefined) {
  if (arguments.gradient_weight != nullptr)
    fill(queue_.stream, arguments.gradient_weight, arguments.k * arguments.d, undefined);
  if (arguments.gradient_bias != nullptr) fill(queue_.stream, arguments.gradient_bias, arguments.k, undefined);
  add_rows(queue_.stream, rows, arguments.d, nullptr, 1, arguments.gradient_weight, arguments.gradient_bias);
}

void store_class_gradients(Queue& queue, const LinearLossArguments& arguments, const ClassBlock& block, float* gradient,
                           float* bias_gradient) {
  if (gradient != nullptr)
    queue.products.multiply({.transpose_a = true,
                             .m = block.logits.b,
                             .n = arguments.d,
                             .k = block.logits.m,
                             .a = block.gradient.data,
                             .a_type = block.gradient.type,
                             .lda = block.logits.b,
                             .b = block.hidden.data,
                             .b_type = block.hidden.type,
                             .ldb = arguments.d,
                             .c = gradient,
                             .ldc = arguments.d});
  if (bias_gradient != nullptr)
    column_sums(queue.stream, queue.scratch, block.logits.values, bias_gradient, block.logits.m, block.logits.b);
}

}  // namespace onelogit::cuda
