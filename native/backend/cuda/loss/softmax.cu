// cross-entropy and self-normalization. A row of up to 32,768 logits stays in the registers of one team: a warp up to
// 1,024 logits, else a block of as many warps as hold it at 32 logits a thread. Longer rows, and rows above 8,192 that
// are too few to fill the GPU, are cut into parts, whose states merge.
//
//   bytes a logit   whole rows   4 read + 4 written (value alone: 4 read)
//                   parts        8 read + 4 written (value alone: 4 read)
//
// A row's exponentials are taken once in the first case, twice in the second.

#include "backend/cuda/loss/softmax.h"

#include "backend/cuda/loss/quad.h"
#include "backend/cuda/loss/row_sum.h"
#include "backend/cuda/loss/softmax_parts.h"
#include "loss/cross_entropy.h"
#include "loss/self_normalization.h"

namespace onelogit::cuda {
namespace {

constexpr int held_quads = 8;                                   // of a thread
constexpr std::int64_t held_logits = held_quads * quad_size;    // 32
constexpr std::int64_t longest_whole_row = 1024 * held_logits;  // a block of 1,024 threads
constexpr std::int64_t longest_always_whole = 8192;             // however few they are
constexpr std::int64_t rows_that_fill = 64;                     // or, up to longest_whole_row, when as many

struct RowLoss {
  bool self_normalization;
  double alpha, scale;

  __device__ double value(SoftmaxState state, float true_logit) const {
    return self_normalization ? self_normalization_value(state, true_logit, alpha)
                              : cross_entropy_value(state, true_logit);
  }
  __device__ float factor(SoftmaxState state) const {
    return static_cast<float>(self_normalization ? self_normalization_factor(state, alpha, scale)
                                                 : cross_entropy_factor(state, scale));
  }
  __device__ float label_gradient(SoftmaxState state, float true_logit) const {
    return static_cast<float>(self_normalization ? self_normalization_label_gradient(state, true_logit, alpha, scale)
                                                 : cross_entropy_label_gradient(state, true_logit, scale));
  }
};

template <bool one_warp, bool neighbours>
__global__ void __launch_bounds__(one_warp ? warp_size* warps_per_block : 1024)
    whole_rows_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k, RowLoss loss,
                      double* row_value, float* gradient) {
  for (std::int64_t row = Team<one_warp>::first(); row < m; row += Team<one_warp>::stride()) {
    using RowQuad = Quad<neighbours, int, false>;
    const auto length = static_cast<int>(k), stride = static_cast<int>(blockDim.x) * quad_size;
    const float* const z = logits + row * k;
    float held[held_quads][quad_size];
    float largest = -INFINITY;
    for (int q = 0; q < held_quads; ++q) {
      RowQuad::from(q * stride).load(z, length, -INFINITY, held[q]);
      for (int c = 0; c < quad_size; ++c) largest = fmaxf(largest, held[q][c]);  // a NaN is found by the sum
    }
    SoftmaxState state;
    state.maximum = Team<one_warp>::max(largest);
    const float shift = softmax_shift(state.maximum);
    for (int q = 0; q < held_quads; ++q)
      for (int c = 0; c < quad_size; ++c) {
        held[q][c] = expf(held[q][c] - shift);
        state.sum += static_cast<double>(held[q][c]);
      }
    state.sum = Team<one_warp>::sum(state.sum);

    const int y = labels[row];
    float factor = 0;
    if (threadIdx.x == 0) {
      row_value[row] = loss.value(state, z[y]);
      factor = loss.factor(state);
    }
    if (gradient == nullptr) continue;
    factor = Team<one_warp>::broadcast(factor);
    float* const g = gradient + row * k;
    for (int q = 0; q < held_quads; ++q) {
      for (int c = 0; c < quad_size; ++c) held[q][c] *= factor;
      RowQuad::from(q * stride).store(g, length, held[q]);
    }
    // The thread that wrote the entry before writes it again.
    if (RowQuad::holds(0, y)) g[y] = loss.label_gradient(state, z[y]);
  }
}

// A warp for a row.
__global__ void rows_of_parts_kernel(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                                     RowLoss loss, std::int64_t parts, const SoftmaxState* part_state,
                                     SoftmaxState* row_state, float* row_factor, double* row_value) {
  for (std::int64_t row = Team<true>::first(); row < m; row += Team<true>::stride()) {
    SoftmaxState state;
    for (std::int64_t p = threadIdx.x; p < parts; p += warp_size) state = merge(state, part_state[row * parts + p]);
    state = merge_team<true>(state);
    if (threadIdx.x != 0) continue;
    row_state[row] = state;
    row_factor[row] = loss.factor(state);
    row_value[row] = loss.value(state, logits[row * k + labels[row]]);
  }
}

template <bool neighbours>
__global__ void gradient_of_parts_kernel(const float* logits, const std::int32_t* labels, std::int64_t count,
                                         Parts parts, RowLoss loss, const SoftmaxState* row_state,
                                         const float* row_factor, float* gradient) {
  for (std::int64_t p = blockIdx.x; p < count; p += gridDim.x) {
    const Part part = parts[p];
    const float* const z = logits + part.run * parts.run_length;
    float* const g = gradient + part.run * parts.run_length;
    const float shift = softmax_shift(row_state[part.run].maximum), factor = row_factor[part.run];
    for (std::int64_t begin = part.begin; begin < part.end; begin += quads_length()) {
      const auto quad = Quad<neighbours>::from(begin);
      float four[quad_size];
      quad.load(z, part.end, 0.0f, four);
      for (int c = 0; c < quad_size; ++c) four[c] = expf(four[c] - shift) * factor;
      quad.store(g, part.end, four);
    }
    const std::int64_t y = labels[part.run];
    if (y >= part.begin && y < part.end && Quad<neighbours>::holds(part.begin, y))
      g[y] = loss.label_gradient(row_state[part.run], z[y]);
  }
}

}  // namespace

SoftmaxLoss::SoftmaxLoss(cudaStream_t, const LossSpec& spec, std::int64_t classes, std::int64_t max_examples)
    : self_normalization_(spec.kind == LossKind::self_normalization),
      alpha_(spec.alpha),
      mean_(spec.reduction == Reduction::mean),
      classes_(classes) {
  const auto rows = static_cast<std::size_t>(max_examples);
  row_value_ = DeviceBuffer<double>(rows, "a loss");
  if (classes <= longest_always_whole) return;
  // Where all rows are whole but for small batches, only those are cut.
  const std::size_t cut_rows =
      classes <= longest_whole_row && max_examples >= rows_that_fill ? static_cast<std::size_t>(rows_that_fill) : rows;
  part_state_ = DeviceBuffer<SoftmaxState>(cut_rows * static_cast<std::size_t>(cut(classes).per_run), "a loss");
  row_state_ = DeviceBuffer<SoftmaxState>(cut_rows, "a loss");
  row_factor_ = DeviceBuffer<float>(cut_rows, "a loss");
}

void SoftmaxLoss::value_and_gradient(cudaStream_t stream, const float* logits, const std::int32_t* labels,
                                     std::int64_t m, const StepValues*, double* value, float* gradient) {
  const std::int64_t k = classes_;
  const double scale = mean_ ? 1.0 / static_cast<double>(m) : 1.0;
  const RowLoss loss{self_normalization_, alpha_, scale};
  const bool aligned = quads_are_aligned(logits, gradient, k);
  if (k <= longest_warp_row) {
    const TeamShape shape = warp_teams(m);
    launch("softmax_loss", aligned ? whole_rows_kernel<true, true> : whole_rows_kernel<true, false>, shape.grid,
           shape.block, 0, stream, logits, labels, m, k, loss, row_value_.data(), gradient);
  } else if (k <= longest_always_whole || (k <= longest_whole_row && m >= rows_that_fill)) {
    const auto warps = static_cast<unsigned>((k + held_logits * warp_size - 1) / (held_logits * warp_size));
    const TeamShape shape = block_teams(m, warps * warp_size);
    launch("softmax_loss", aligned ? whole_rows_kernel<false, true> : whole_rows_kernel<false, false>, shape.grid,
           shape.block, 0, stream, logits, labels, m, k, loss, row_value_.data(), gradient);
  } else {
    const Parts parts = cut(k);
    softmax_states_of_parts(stream, logits, m, parts, part_state_.data());
    const TeamShape of_rows = warp_teams(m), of_parts = block_teams(m * parts.per_run);
    launch("softmax_loss", rows_of_parts_kernel, of_rows.grid, of_rows.block, 0, stream, logits, labels, m, k, loss,
           parts.per_run, part_state_.data(), row_state_.data(), row_factor_.data(), row_value_.data());
    if (gradient != nullptr)
      launch("softmax_loss", aligned ? gradient_of_parts_kernel<true> : gradient_of_parts_kernel<false>, of_parts.grid,
             of_parts.block, 0, stream, logits, labels, m * parts.per_run, parts, loss, row_state_.data(),
             row_factor_.data(), gradient);
  }
  sum_of_rows(stream, row_value_.data(), m, scale, value);
}

}  // namespace onelogit::cuda
