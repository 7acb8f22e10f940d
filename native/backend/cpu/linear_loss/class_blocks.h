// The walk over blocks of classes that every fused last layer shares. Classes are cut into one contiguous slice per
// thread, a slice into blocks whose logits and weight rows fit a core's cache. A thread keeps what it sums (its share
// of d hidden, its normaliser) to itself; slices are merged in order at the end, so one hand-over to the pool serves
// the whole layer and the result does not depend on who ran what.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "backend/cpu/linear_loss/correct_answers.h"
#include "backend/cpu/threads.h"
#include "head/linear_loss.h"
#include "tensor/buffer.h"

namespace onelogit {

class ClassGradients;

// One block of classes in the workspace of one slice.
struct ClassBlock {
  std::int64_t number = 0;        // blocks of all slices, in order of their classes
  std::int64_t begin = 0;         // its first class
  std::int64_t classes = 0;       // b
  bool first = false;             // of its slice
  const float* weight = nullptr;  // b×d
  float* logits = nullptr;        // m×b, bias included; a loss turns them into its gradient in place

  bool holds(std::int64_t class_id) const { return class_id >= begin && class_id < begin + classes; }
};

class ClassBlocks {
 public:
  // Plans for m up to `max_examples`. The logits and converted weight rows of all slices together take at most
  // `workspace_bytes` (but never less than one class a slice); the sums of d hidden take m·d a slice beside that.
  ClassBlocks(std::int64_t max_examples, std::int64_t d, std::int64_t k, std::size_t workspace_bytes);

  int slices() const { return slices_; }
  std::int64_t block_count() const { return blocks_per_slice_ * slices_; }

  // Most classes of a block.
  std::int64_t block_classes() const { return block_classes_; }

  // Runs body(slice, block) for every block: slices in parallel, the blocks of a slice in order. The block's logits
  // have been computed, `classes` been told before its rows were read.
  void walk(const LinearLossArguments& arguments, ClassGradients& classes,
            FunctionRef<void(int slice, const ClassBlock& block)> body) const;
  // The same, and the answers are counted into arguments.correct unless that is null.
  void walk_and_count(const LinearLossArguments& arguments, ClassGradients& classes,
                      FunctionRef<void(int slice, const ClassBlock& block)> body);

  // The m×d float32 that a slice sums its share of d hidden in.
  float* hidden_sum(int slice) const;
  // hidden_sum(slice) = keep · hidden_sum(slice) + add · block.logits · block.weight
  void add_to_hidden(const LinearLossArguments& arguments, int slice, const ClassBlock& block, float add,
                     float keep) const;
  // gradient_hidden = Σ_slice factor(slice) · hidden_sum(slice); no-op without gradient_hidden.
  void store_hidden_gradient(const LinearLossArguments& arguments, FunctionRef<float(int slice)> factor) const;

 private:
  std::int64_t max_examples_, d_, k_;
  int slices_;
  std::int64_t classes_per_slice_, block_classes_, blocks_per_slice_;
  Buffer logits_, weights_, hidden_sums_;
  // Made when answers are first counted.
  std::optional<LargestFalse> largest_false_;
  std::vector<float> true_logit_;
};

// gradient (b×d) = block.logitsᵀ · hidden and bias_gradient (b) = their column sums; what is null is left out.
void store_class_gradients(const LinearLossArguments& arguments, const ClassBlock& block, float* gradient,
                           float* bias_gradient);

// body(i, column of the block) for every label within the block.
template <class Body>
void for_labels(const LinearLossArguments& arguments, const ClassBlock& block, const Body& body) {
  for (std::int64_t i = 0; i < arguments.m; ++i)
    if (block.holds(arguments.labels[i])) body(i, arguments.labels[i] - block.begin);
}

}  // namespace onelogit
