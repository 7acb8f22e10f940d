#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/rounding.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/bfloat16.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/linear_loss/class_gradients.h"

namespace onelogit {
namespace {

// Logits and weight rows of one block: half of a second-level cache of 1 MiB, so that the three products of a block
// read them from there.
constexpr std::int64_t cached_bytes = 512 << 10;
// Fewer classes than this and the products are all packing; more gain nothing.
constexpr std::int64_t least_block = 64, most_block = 4096;

}  // namespace

ClassBlocks::ClassBlocks(std::int64_t max_examples, std::int64_t d, std::int64_t k, std::size_t workspace_bytes)
    : max_examples_(max_examples), d_(d), k_(k) {
  slices_ = static_cast<int>(std::clamp<std::int64_t>(k / least_block, 1, thread_count()));
  classes_per_slice_ = (k + slices_ - 1) / slices_;
  slices_ = static_cast<int>((k + classes_per_slice_ - 1) / classes_per_slice_);
  const std::int64_t bytes_per_class = 4 * (max_examples + d);
  const std::int64_t allowed = static_cast<std::int64_t>(workspace_bytes) / slices_ / bytes_per_class;
  const std::int64_t wanted = std::clamp(cached_bytes / bytes_per_class, least_block, most_block);
  block_classes_ = std::clamp<std::int64_t>(std::min(wanted, allowed), 1, classes_per_slice_);
  if (block_classes_ >= 16) block_classes_ = block_classes_ / 16 * 16;
  blocks_per_slice_ = (classes_per_slice_ + block_classes_ - 1) / block_classes_;

  const auto floats = [this](std::int64_t per_slice) {
    return Buffer(cpu_backend(), static_cast<std::size_t>(slices_ * round_up(per_slice, 16)) * sizeof(float));
  };
  logits_ = floats(max_examples * block_classes_);
  weights_ = floats(block_classes_ * d);
  hidden_sums_ = floats(max_examples * d);
}

float* ClassBlocks::hidden_sum(int slice) const {
  return hidden_sums_.as<float>() + slice * round_up(max_examples_ * d_, 16);
}

void ClassBlocks::walk(const LinearLossArguments& arguments, ClassGradients& classes,
                       FunctionRef<void(int slice, const ClassBlock& block)> body) const {
  parallel_slices(slices_, [&](int slice) {
    const std::int64_t slice_end = std::min(k_, (slice + 1) * classes_per_slice_);
    float* const converted = weights_.as<float>() + slice * round_up(block_classes_ * d_, 16);
    ClassBlock block;
    block.logits = logits_.as<float>() + slice * round_up(max_examples_ * block_classes_, 16);
    block.number = slice * blocks_per_slice_;
    for (block.begin = slice * classes_per_slice_; block.begin < slice_end;
         block.begin += block.classes, ++block.number) {
      block.classes = std::min(block_classes_, slice_end - block.begin);
      block.first = block.begin == slice * classes_per_slice_;
      if (classes.wanted()) classes.before_read(block.begin, block.classes);
      if (arguments.weight_type == WeightType::bfloat16) {
        bfloat16_kernels().to_float32(static_cast<const std::uint16_t*>(arguments.weight) + block.begin * d_,
                                      block.classes * d_, converted);
        block.weight = converted;
      } else {
        block.weight = static_cast<const float*>(arguments.weight) + block.begin * d_;
      }
      const bool bias = arguments.bias != nullptr;
      if (bias)
        for (std::int64_t i = 0; i < arguments.m; ++i)
          std::memcpy(block.logits + i * block.classes, arguments.bias + block.begin,
                      sizeof(float) * static_cast<std::size_t>(block.classes));
      blas_gemm({false, true, arguments.m, block.classes, d_, 1.0f, arguments.hidden, d_, block.weight, d_,
                 bias ? 1.0f : 0.0f, block.logits, block.classes});
      body(slice, block);
    }
  });
}

void ClassBlocks::walk_and_count(const LinearLossArguments& arguments, ClassGradients& classes,
                                 FunctionRef<void(int slice, const ClassBlock& block)> body) {
  if (arguments.correct == nullptr) return walk(arguments, classes, body);
  if (!largest_false_) {
    largest_false_.emplace(max_examples_, slices_);
    true_logit_.resize(static_cast<std::size_t>(max_examples_));
  }
  largest_false_->clear();
  walk(arguments, classes, [&](int slice, const ClassBlock& block) {
    for_labels(arguments, block, [&](std::int64_t i, std::int64_t j) {
      true_logit_[static_cast<std::size_t>(i)] = block.logits[i * block.classes + j];
    });
    largest_false_->add(slice, block.logits, arguments.m, block.classes, arguments.labels, block.begin);
    body(slice, block);
  });
  *arguments.correct = 0;
  for (std::int64_t i = 0; i < arguments.m; ++i)
    *arguments.correct +=
        is_correct(true_logit_[static_cast<std::size_t>(i)], arguments.labels[i], largest_false_->row(i, arguments.m))
            ? 1
            : 0;
}

void ClassBlocks::add_to_hidden(const LinearLossArguments& arguments, int slice, const ClassBlock& block, float add,
                                float keep) const {
  if (arguments.gradient_hidden == nullptr) return;
  blas_gemm({false, false, arguments.m, d_, block.classes, add, block.logits, block.classes, block.weight, d_, keep,
             hidden_sum(slice), d_});
}

void ClassBlocks::store_hidden_gradient(const LinearLossArguments& arguments,
                                        FunctionRef<float(int slice)> factor) const {
  if (arguments.gradient_hidden == nullptr) return;
  parallel_for(arguments.m * d_, 4096, 16, [&](std::int64_t begin, std::int64_t end) {
    for (int slice = 0; slice < slices_; ++slice) {
      const float scale = factor(slice);
      const float* from = hidden_sum(slice);
      float* to = arguments.gradient_hidden;
      if (slice == 0)
        for (std::int64_t n = begin; n < end; ++n) to[n] = scale * from[n];
      else
        for (std::int64_t n = begin; n < end; ++n) to[n] += scale * from[n];
    }
  });
}

void store_class_gradients(const LinearLossArguments& arguments, const ClassBlock& block, float* gradient,
                           float* bias_gradient) {
  if (gradient != nullptr)
    blas_gemm({true, false, block.classes, arguments.d, arguments.m, 1.0f, block.logits, block.classes,
               arguments.hidden, arguments.d, 0.0f, gradient, arguments.d});
  if (bias_gradient != nullptr)
    reduction_kernels().column_sums(block.logits, block.classes, bias_gradient, arguments.m, block.classes);
}

}  // namespace onelogit
