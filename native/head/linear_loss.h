// The last layer and its loss in one pass over blocks of classes: logits = hidden · weightᵀ + bias exist only for the
// block at hand, so memory does not grow with m·k. The mathematics is in docs/losses.md, "Fused linear + loss".
#pragma once

#include <cstddef>
#include <cstdint>

namespace onelogit {

enum class WeightType { float32, bfloat16 };

// Matrices are row-major; m examples, d features, k classes. All pointers are memory of one backend.
struct LinearLossArguments {
  const float* hidden = nullptr;  // m×d
  const void* weight = nullptr;   // k×d of `weight_type`: one class is one contiguous row
  WeightType weight_type = WeightType::float32;
  const float* bias = nullptr;           // k, or null
  const std::int32_t* labels = nullptr;  // m, each in [0, k)
  std::int64_t m = 0, d = 0, k = 0;
  std::uint64_t step = 0;  // selects the noise draws of sampled nce

  // Overwritten in full; each may be null when it is not wanted.
  float* gradient_hidden = nullptr;  // m×d
  float* gradient_weight = nullptr;  // k×d
  float* gradient_bias = nullptr;    // k
};

class LinearLossKernel {
 public:
  virtual ~LinearLossKernel() = default;
  // → *value (one float64 in device memory) and the gradients asked for.
  virtual void run(const LinearLossArguments& arguments, double* value) = 0;
};

// Default and least workspace, in bytes: what a call may use beside its arguments and O(m·d) sums.
constexpr std::size_t default_linear_loss_workspace = std::size_t{64} << 20;

}  // namespace onelogit
