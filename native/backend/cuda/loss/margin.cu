// max-margin and batch-max-margin. One pass finds the largest false logit of each part of a row and writes the
// gradient's zeros; a warp for a row merges its parts and writes the row's two entries; one block adds the rows up and,
// for batch-max-margin, the batch's two entries.
//
//   bytes a logit   4 read + 4 written (value alone: 4 read)
//   bytes a row     16 read and written for each of its parts; 8 read, 8 written at its entries; 24 read and written
//                   for the sum over rows

#include "backend/cuda/loss/margin.h"

#include "backend/cuda/loss/parts.h"
#include "backend/cuda/loss/quad.h"
#include "backend/cuda/loss/team.h"
#include "loss/max_margin.h"

namespace onelogit::cuda {
namespace {

struct Larger {
  __device__ __forceinline__ ArgMax operator()(ArgMax a, ArgMax b) const { return merge(a, b); }
};

template <bool one_warp, bool neighbours>
__global__ void largest_false_kernel(const float* logits, const std::int32_t* labels, std::int64_t count, Parts parts,
                                     ArgMax* part_largest, float* gradient) {
  for (std::int64_t p = Team<one_warp>::first(); p < count; p += Team<one_warp>::stride()) {
    const Part part = parts[p];
    const std::int64_t row = part.run * parts.run_length, y = labels[part.run];
    ArgMax largest;
    for (std::int64_t begin = part.begin; begin < part.end; begin += quads_length()) {
      const auto quad = Quad<neighbours>::from(begin);
      float z[quad_size];
      quad.load(logits + row, part.end, -INFINITY, z);
      // A thread comes to its columns in ascending order and keeps the first of equals. A NaN is above all, at the
      // label too, and nothing is above it.
      for (int c = 0; c < quad_size; ++c)
        if (z[c] != z[c] || (z[c] > largest.value && quad.at(c) != y)) largest = {z[c], row + quad.at(c)};
      if (gradient != nullptr) quad.store(gradient + row, part.end, {0.0f, 0.0f, 0.0f, 0.0f});
    }
    largest = Team<one_warp>::reduce(largest, ArgMax{}, Larger());
    if (threadIdx.x == 0) part_largest[p] = largest;
  }
}

// A warp for a row.
__global__ void margin_rows_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                   std::int64_t parts, const ArgMax* part_largest, double margin, float scale,
                                   ArgMax* row_largest, double* row_value, float* gradient) {
  for (std::int64_t row = Team<true>::first(); row < m; row += Team<true>::stride()) {
    ArgMax largest;
    for (std::int64_t p = threadIdx.x; p < parts; p += warp_size)
      largest = merge(largest, part_largest[row * parts + p]);
    largest = warp_reduce(largest, Larger());
    const std::int64_t at = row * k + labels[row];
    const double row_hinge = max_margin_hinge(margin, logits[at], largest.value);
    if (threadIdx.x == 0) {
      row_largest[row] = largest;
      row_value[row] = row_hinge;
    }
    if (gradient == nullptr) continue;
    if (row_hinge > 0) {
      if (threadIdx.x != 0) continue;
      gradient[at] = -scale;
      gradient[largest.index] = scale;
    } else if (row_hinge != row_hinge) {
      for (std::int64_t j = threadIdx.x; j < k; j += warp_size) gradient[row * k + j] = NAN;
    }
  }
}

// One block. The smallest true logit is the largest of the negated ones.
template <bool batch>
__global__ void margin_value_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                    const ArgMax* row_largest, const double* row_value, double margin, double scale,
                                    double* value, float* gradient) {
  double total = 0;
  ArgMax largest_false, negated_true;
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    total += row_value[i];
    if (batch) {
      const std::int64_t at = i * k + labels[i];
      negated_true = merge(negated_true, ArgMax{-logits[at], at});
      largest_false = merge(largest_false, row_largest[i]);
    }
  }
  total = block_sum(total);
  if (batch) {
    negated_true = block_reduce(negated_true, ArgMax{}, Larger());
    largest_false = block_reduce(largest_false, ArgMax{}, Larger());
  }
  if (threadIdx.x != 0) return;
  if (batch) {
    const double batch_hinge = max_margin_hinge(margin, -negated_true.value, largest_false.value);
    total += batch_hinge;
    if (gradient != nullptr && batch_hinge > 0) {
      gradient[negated_true.index] -= static_cast<float>(scale);
      gradient[largest_false.index] += static_cast<float>(scale);
    }
  }
  *value = total * scale;
}

}  // namespace

MarginLoss::MarginLoss(cudaStream_t, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
    : batch_(spec.kind == LossKind::batch_max_margin),
      margin_(spec.margin),
      mean_(spec.reduction == Reduction::mean),
      classes_(classes),
      part_largest_(static_cast<std::size_t>(max_examples * cut(classes).per_run), "a loss"),
      row_largest_(static_cast<std::size_t>(max_examples), "a loss"),
      row_value_(static_cast<std::size_t>(max_examples), "a loss") {}

void MarginLoss::value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels,
                                    std::int64_t m, const StepValues*, double* value, float* gradient) {
  const std::int64_t k = classes_;
  const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
  const Parts parts = cut(k);
  const std::int64_t count = m * parts.per_run;
  const bool aligned = quads_are_aligned(logits, gradient, k), one_warp = k <= longest_warp_row;
  const TeamShape of_parts = one_warp ? warp_teams(count) : block_teams(count), of_rows = warp_teams(m);
  launch("margin_loss",
         one_warp  ? aligned ? largest_false_kernel<true, true> : largest_false_kernel<true, false>
          : aligned ? largest_false_kernel<false, true>
                   : largest_false_kernel<false, false>,
         of_parts.grid, of_parts.block, 0, stream, logits, labels, count, parts, part_largest_.data(), gradient);
  launch("margin_loss", margin_rows_kernel, of_rows.grid, of_rows.block, 0, stream, logits, labels, m, k, parts.per_run,
         part_largest_.data(), margin_, scale, row_largest_.data(), row_value_.data(), gradient);
  launch("margin_loss", batch_ ? margin_value_kernel<true> : margin_value_kernel<false>, 1, block_threads, 0, stream,
         logits, labels, m, k, row_largest_.data(), row_value_.data(), margin_, scale, value, gradient);
}

}  // namespace onelogit::cuda
