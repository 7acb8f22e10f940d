// The walk over blocks of classes that every fused last layer shares: a block's logits stay in the device's cache
// between the product that makes them and those that read them.
#pragma once

#include <cstdint>
#include <functional>

#include "backend/cuda/device_buffer.h"
#include "backend/cuda/linear_loss/block.h"
#include "backend/cuda/linear_loss/cuda_linear_loss.h"
#include "backend/cuda/queue.h"
#include "head/linear_loss.h"

namespace onelogit::cuda {

// One block of classes. Operands are as products take them: each is rounded once, however many products it is in.
struct ClassBlock {
  BlockLogits logits;
  Operand hidden;       // m×d
  Operand weight;       // b×d
  Operand gradient;     // the logits once they hold their gradient, m×b
  std::int64_t number;  // from 0
  // Room for a gradient of the block, b×d and b, if it was planned for; `weight` may be in it.
  float *rows, *bias_row;
  bool first() const { return number == 0; }
};

class ClassGradients;

class ClassBlocks {
 public:
  // The logits of a block and its rows (where weights have to be converted, or a gradient is made of them) take at most
  // the plan's workspace, and no more than half the device's cache; never less than one class.
  ClassBlocks(Queue& queue, const LinearLossPlan& plan);

  std::int64_t block_classes() const { return block_classes_; }
  std::int64_t block_count() const { return (k_ + block_classes_ - 1) / block_classes_; }

  // Calls body(block) for every block in order, its logits (bias included) queued before; `classes` is told before its
  // rows are read.
  void walk(const LinearLossArguments& arguments, ClassGradients& classes,
            const std::function<void(const ClassBlock& block)>& body);

  // The block's logits are their gradient now: gradient_hidden = (first block: 0, else what is there) + logits ·
  // weight, and classes.block(); what nobody wants is left out.
  void add_gradients(const LinearLossArguments& arguments, const ClassBlock& block, ClassGradients& classes);

 private:
  Queue& queue_;
  std::int64_t d_, k_, block_classes_;
  DeviceBuffer<float> logits_;
  DeviceBuffer<float> rows_;  // (d + 1) of each class of a block
  // Operands in bfloat16: hidden, and of a block its weights, and its logits' gradient.
  DeviceBuffer<std::uint16_t> rounded_hidden_, rounded_weight_, rounded_gradient_;
};

// Whether a bfloat16 class matrix is multiplied as float32.
bool converts_bfloat16(const Queue& queue);

// Floats that are only read where they are on the host, copied when a kernel is made.
DeviceBuffer<float> device_copy(cudaStream_t stream, const float* values, std::size_t size, const char* what);

}  // namespace onelogit::cuda
