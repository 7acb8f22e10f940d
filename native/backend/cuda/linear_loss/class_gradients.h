// Where a fused last layer puts the gradient of the class matrix: into arrays, or straight into the matrix.
#pragma once

#include "backend/cuda/linear_loss/class_blocks.h"
#include "backend/cuda/linear_loss/sparse_rows.h"
#include "backend/cuda/queue.h"
#include "head/linear_loss.h"

namespace onelogit::cuda {

// batch-cross-entropy's blocks before the batch's normaliser is known: the gradient of class j is
// factor[j / block_classes] (device memory) times what block() was given, and the labels' entries, which that left out,
// come on top.
struct RelativeBlocks {
  std::int64_t block_classes;
  const float* factor;
};

class ClassGradients {
 public:
  virtual ~ClassGradients() = default;
  // Whether anybody wants them; if not, nothing below is called.
  virtual bool wanted() const { return true; }

  // Before rows of the class matrix are read; each row at most once a pass over the classes.
  virtual void before_read(std::int64_t /*first*/, std::int64_t /*count*/) {}
  virtual void before_read_rows(const std::int32_t* /*classes*/, const std::int32_t* /*count*/, std::int64_t /*most*/) {
  }

  // block.logits (m×b) hold the gradient with respect to the block's logits, and block.gradient is the same as products
  // take it: that of its classes is gradientᵀ · hidden.
  // Nobody reads the block's weights after it: block.rows may be overwritten.
  virtual void block(const LinearLossArguments& arguments, const ClassBlock& block) = 0;
  // After the last block(): what they were relative to.
  virtual void relative(const LinearLossArguments& arguments, const RelativeBlocks& blocks,
                        const SparseRows& labels) = 0;
  // In place of block(): few rows, which stay until the next pass. *undefined (null: 0) is what all the others are: 0,
  // or NaN where every gradient is.
  virtual void rows(const LinearLossArguments& arguments, const SparseRows& rows, const float* undefined) = 0;
};

// Nobody wants them: the value alone.
class NoClassGradients final : public ClassGradients {
 public:
  bool wanted() const override { return false; }
  void block(const LinearLossArguments&, const ClassBlock&) override {}
  void relative(const LinearLossArguments&, const RelativeBlocks&, const SparseRows&) override {}
  void rows(const LinearLossArguments&, const SparseRows&, const float*) override {}
};

// Into arguments.gradient_weight (k×d) and gradient_bias (k), overwritten in full; what is null is left out.
class StoredClassGradients final : public ClassGradients {
 public:
  StoredClassGradients(Queue& queue, const LinearLossArguments& arguments)
      : queue_(queue), wanted_(arguments.gradient_weight != nullptr || arguments.gradient_bias != nullptr) {}
  bool wanted() const override { return wanted_; }
  void block(const LinearLossArguments& arguments, const ClassBlock& block) override;
  void relative(const LinearLossArguments& arguments, const RelativeBlocks& blocks, const SparseRows& labels) override;
  void rows(const LinearLossArguments& arguments, const SparseRows& rows, const float* undefined) override;

 private:
  Queue& queue_;
  bool wanted_;
};

// gradient (b×d) = block.gradientᵀ · hidden and bias_gradient (b) = the logits' column sums; what is null is left out.
void store_class_gradients(Queue& queue, const LinearLossArguments& arguments, const ClassBlock& block, float* gradient,
                           float* bias_gradient);

}  // namespace onelogit::cuda
