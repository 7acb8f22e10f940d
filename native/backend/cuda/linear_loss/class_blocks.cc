#include "backend/cuda/linear_loss/class_blocks.h"

#include <algorithm>
#include <cstddef>

#include "backend/cuda/dense.h"
#include "backend/cuda/linear_loss/class_gradients.h"

namespace onelogit::cuda {
namespace {

constexpr std::int64_t aligned_classes = 128;  // what the tiles of a product like

// Classes of a block. Planned for their rows too: whether weights have to be converted is known only at a call.
std::int64_t classes_of(std::size_t budget, std::int64_t m, std::int64_t d, std::int64_t k) {
  const auto fit = static_cast<std::int64_t>(budget / sizeof(float)) / (m + d + 1);
  const std::int64_t aligned = fit / aligned_classes * aligned_classes;
  return std::clamp<std::int64_t>(aligned > 0 ? aligned : fit, 1, k);
}

}  // namespace

ClassBlocks::ClassBlocks(Queue& queue, const LinearLossPlan& plan)
    : queue_(queue),
      d_(plan.d),
      k_(plan.k),
      block_classes_(
          classes_of(std::min(plan.workspace_bytes, queue.cache_bytes / 2), plan.max_examples, plan.d, plan.k)),
      logits_(static_cast<std::size_t>(plan.max_examples * block_classes_), "a block of logits"),
      rows_(plan.block_rows ? static_cast<std::size_t>(block_classes_ * (d_ + 1)) : 0, "a block of class rows") {
  if (queue.products.precision() != Precision::bfloat16) return;
  constexpr const char* what = "operands as bfloat16";
  rounded_hidden_ = DeviceBuffer<std::uint16_t>(static_cast<std::size_t>(plan.max_examples * d_), what);
  rounded_weight_ = DeviceBuffer<std::uint16_t>(static_cast<std::size_t>(block_classes_ * d_), what);
  rounded_gradient_ = DeviceBuffer<std::uint16_t>(logits_.size(), what);
}

bool converts_bfloat16(const Queue& queue) { return queue.products.precision() != Precision::bfloat16; }

void ClassBlocks::walk(const LinearLossArguments& arguments, ClassGradients& classes,
                       const std::function<void(const ClassBlock& block)>& body) {
  const bool bfloat16 = arguments.weight_type == WeightType::bfloat16;
  const bool converts = bfloat16 && converts_bfloat16(queue_);
  const Operand hidden = queue_.products.operand(arguments.hidden, arguments.m * d_, rounded_hidden_);
  if (converts && rows_.size() == 0)
    rows_ = DeviceBuffer<float>(static_cast<std::size_t>(block_classes_ * (d_ + 1)), "a block of class rows");
  std::int64_t number = 0;
  for (std::int64_t begin = 0; begin < k_; begin += block_classes_, ++number) {
    const std::int64_t b = std::min(block_classes_, k_ - begin), m = arguments.m;
    classes.before_read(begin, b);
    const void* const stored = static_cast<const std::byte*>(arguments.weight) +
                               static_cast<std::size_t>(begin * d_) * weight_bytes(arguments.weight_type);
    Operand weight{stored, CublasType::bfloat16};
    if (converts) {
      bfloat16_to_float32(queue_.stream, static_cast<const std::uint16_t*>(stored), rows_.data(), b * d_);
      weight = {rows_.data(), CublasType::float32};
    } else if (!bfloat16) {
      weight = queue_.products.operand(static_cast<const float*>(stored), b * d_, rounded_weight_);
    }
    queue_.products.multiply({.transpose_b = true,
                              .m = m,
                              .n = b,
                              .k = d_,
                              .a = hidden.data,
                              .a_type = hidden.type,
                              .lda = d_,
                              .b = weight.data,
                              .b_type = weight.type,
                              .ldb = d_,
                              .c = logits_.data(),
                              .ldc = b});
    if (arguments.bias != nullptr) add_bias(queue_.stream, arguments.bias + begin, logits_.data(), m, b);
    float* const rows = rows_.data();
    body({{logits_.data(), m, b, arguments.labels, begin},
          hidden,
          weight,
          {},
          number,
          rows,
          rows == nullptr ? nullptr : rows + b * d_});
  }
}

void ClassBlocks::add_gradients(const LinearLossArguments& arguments, const ClassBlock& block,
                                ClassGradients& classes) {
  if (arguments.gradient_hidden == nullptr && !classes.wanted()) return;
  ClassBlock with = block;
  with.gradient = queue_.products.operand(block.logits.values, block.logits.m * block.logits.b, rounded_gradient_);
  if (arguments.gradient_hidden != nullptr)
    queue_.products.multiply({.m = block.logits.m,
                              .n = d_,
                              .k = block.logits.b,
                              .a = with.gradient.data,
                              .a_type = with.gradient.type,
                              .lda = block.logits.b,
                              .b = block.weight.data,
                              .b_type = block.weight.type,
                              .ldb = d_,
                              .beta = block.first() ? 0.0f : 1.0f,
                              .c = arguments.gradient_hidden,
                              .ldc = d_});
  if (classes.wanted()) classes.block(arguments, with);
}

DeviceBuffer<float> device_copy(cudaStream_t stream, const float* values, std::size_t size, const char* what) {
  DeviceBuffer<float> buffer(size, what);
  if (size > 0) {
    check(cudaMemcpyAsync(buffer.data(), values, size * sizeof(float), cudaMemcpyHostToDevice, stream), what);
    check(cudaStreamSynchronize(stream), what);  // `values` may go
  }
  return buffer;
}

}  // namespace onelogit::cuda
