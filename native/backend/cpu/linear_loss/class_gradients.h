// Where a fused last layer puts the gradient of the class matrix: into arrays, or straight into the matrix.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/linear_loss/class_blocks.h"
#include "backend/cpu/threads.h"
#include "head/linear_loss.h"

namespace onelogit {

struct LogitEntry {
  std::int64_t i, j;
  float coefficient;  // d loss / d z_ij
};

// The gradient of a few rows of the class matrix; all others have none.
struct SparseRows {
  std::vector<std::int32_t> classes;  // n, each once
  std::vector<float> gradient;        // n×d
  std::vector<float> bias_gradient;   // n
  std::int64_t size() const { return static_cast<std::int64_t>(classes.size()); }
};

// batch-cross-entropy's blocks before the batch's normaliser is known: the gradient of classes [begin, begin + classes)
// is `factor` times what block() was given, and the labels' entries, which that left out, come on top.
struct RelativeBlock {
  std::int64_t begin, classes;
  float factor;
};

class ClassGradients {
 public:
  virtual ~ClassGradients() = default;
  // Whether anybody wants them; if not, nothing below is called.
  virtual bool wanted() const { return true; }

  // Before rows of the class matrix are read; from any thread, each row from one.
  virtual void before_read(std::int64_t /*first*/, std::int64_t /*count*/) {}

  // block.logits (m×b) hold the gradient with respect to the block's logits: that of its classes is logitsᵀ · hidden.
  // From the thread of the slice, each block once.
  virtual void block(const LinearLossArguments& arguments, int slice, const ClassBlock& block) = 0;
  // After the last block(): what they were relative to.
  virtual void relative(const LinearLossArguments& arguments, std::vector<RelativeBlock> blocks,
                        const std::vector<LogitEntry>& labels) = 0;
  // In place of block(): rows that may be taken (moved from).
  virtual void rows(const LinearLossArguments& arguments, SparseRows& rows) = 0;
  // In place of block(): NaN everywhere.
  virtual void undefined(const LinearLossArguments& arguments) = 0;
};

// Nobody wants them: the value alone.
class NoClassGradients final : public ClassGradients {
 public:
  bool wanted() const override { return false; }
  void block(const LinearLossArguments&, int, const ClassBlock&) override {}
  void relative(const LinearLossArguments&, std::vector<RelativeBlock>, const std::vector<LogitEntry>&) override {}
  void rows(const LinearLossArguments&, SparseRows&) override {}
  void undefined(const LinearLossArguments&) override {}
};

// Into arguments.gradient_weight (k×d) and gradient_bias (k), overwritten in full; what is null is left out.
class StoredClassGradients final : public ClassGradients {
 public:
  explicit StoredClassGradients(const LinearLossArguments& arguments)
      : wanted_(arguments.gradient_weight != nullptr || arguments.gradient_bias != nullptr) {}
  bool wanted() const override { return wanted_; }
  void block(const LinearLossArguments& arguments, int slice, const ClassBlock& block) override;
  void relative(const LinearLossArguments& arguments, std::vector<RelativeBlock> blocks,
                const std::vector<LogitEntry>& labels) override;
  void rows(const LinearLossArguments& arguments, SparseRows& rows) override;
  void undefined(const LinearLossArguments& arguments) override;

 private:
  bool wanted_;
};

}  // namespace onelogit
