// The walk over blocks of classes that every fused last layer shares: a block's logits stay in the device's cache
// between the product that makes them and those that read them.
#pragma once

#include <cstdint>
#include <functional>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/linear_loss/block.h"
#include "backend/cuda/queue.h"
#include "head/linear_loss.h"

namespace onelogit::cuda {

// One block of classes.
struct ClassBlock {
  BlockLogits logits;
  const float* weight;  // b×d
  std::int64_t number;  // from 0
  bool first() const { return number == 0; }
};

class ClassBlocks {
 public:
  // Plans for m up to `max_examples`. The logits of a block and its weight rows (where they have to be converted) take
  // at most `workspace_bytes`, and no more than half the device's cache; never less than one class.
  ClassBlocks(Queue& queue, std::int64_t max_examples, std::int64_t d, std::int64_t k, std::size_t workspace_bytes);

  std::int64_t block_count() const { return (k_ + block_classes_ - 1) / block_classes_; }

  // Calls body(block) for every block in order, its logits (bias included) queued before.
  void walk(const LinearLossArguments& arguments, const std::function<void(const ClassBlock& block)>& body);

  // gradient_hidden = (first block: 0, else what is there) + logits · weight; no-op without gradient_hidden.
  void add_to_hidden(const LinearLossArguments& arguments, const ClassBlock& block);
  // gradient_weight and gradient_bias of the block's classes = logitsᵀ · hidden and column sums; what is null is left
  // out.
  void store_class_gradients(const LinearLossArguments& arguments, const ClassBlock& block);

 private:
  Queue& queue_;
  std::int64_t d_, k_, block_classes_;
  DeviceBuffer<float> logits_, weight_;
  std::int64_t max_examples_;
};

// Floats that are only read where they are on the host, copied when a kernel is made.
DeviceBuffer<float> device_copy(cudaStream_t stream, const float* values, std::size_t size, const char* what);

}  // namespace onelogit::cuda
