#include "backend/cpu/linear_loss/class_gradients.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "backend/cpu/kernels/loss_softmax.h"
#include "backend/cpu/linear_loss/sparse_rows.h"

namespace onelogit {
namespace {

void fill(float* values, std::int64_t count, float value) {
  if (values == nullptr) return;
  parallel_for(count, 1 << 16, 16,
               [&](std::int64_t begin, std::int64_t end) { std::fill(values + begin, values + end, value); });
}

void fill_class_gradients(const LinearLossArguments& arguments, float value) {
  fill(arguments.gradient_weight, arguments.k * arguments.d, value);
  fill(arguments.gradient_bias, arguments.k, value);
}

}  // namespace

void StoredClassGradients::block(const LinearLossArguments& arguments, int, const ClassBlock& block) {
  store_class_gradients(
      arguments, block,
      arguments.gradient_weight == nullptr ? nullptr : arguments.gradient_weight + block.begin * arguments.d,
      arguments.gradient_bias == nullptr ? nullptr : arguments.gradient_bias + block.begin);
}

void StoredClassGradients::relative(const LinearLossArguments& arguments, std::vector<RelativeBlock> blocks,
                                    const std::vector<LogitEntry>& labels) {
  const SoftmaxLossKernels& kernels = softmax_loss_kernels();
  parallel_for(static_cast<std::int64_t>(blocks.size()), 1, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) {
      const RelativeBlock& block = blocks[static_cast<std::size_t>(n)];
      if (arguments.gradient_weight != nullptr)
        kernels.scale(arguments.gradient_weight + block.begin * arguments.d, block.classes * arguments.d, block.factor);
      if (arguments.gradient_bias != nullptr)
        kernels.scale(arguments.gradient_bias + block.begin, block.classes, block.factor);
    }
  });
  std::vector<std::int64_t> row_of;
  row_of.reserve(labels.size());
  for (const LogitEntry& entry : labels) row_of.push_back(entry.j);
  add_rows(arguments, labels, row_of, arguments.gradient_weight, arguments.gradient_bias);
}

void StoredClassGradients::rows(const LinearLossArguments& arguments, SparseRows& rows) {
  fill_class_gradients(arguments, 0.0f);
  const std::int64_t d = arguments.d;
  for (std::int64_t n = 0; n < rows.size(); ++n) {
    const std::int64_t j = rows.classes[static_cast<std::size_t>(n)];
    if (arguments.gradient_weight != nullptr)
      std::memcpy(arguments.gradient_weight + j * d, rows.gradient.data() + n * d,
                  sizeof(float) * static_cast<std::size_t>(d));
    if (arguments.gradient_bias != nullptr)
      arguments.gradient_bias[j] = rows.bias_gradient[static_cast<std::size_t>(n)];
  }
}

void StoredClassGradients::undefined(const LinearLossArguments& arguments) {
  fill_class_gradients(arguments, std::numeric_limits<float>::quiet_NaN());
}

}  // namespace onelogit
