#include "backend/cuda/linear_loss/sparse_rows.h"

#include <algorithm>

#include "backend/cuda/launch.h"

namespace onelogit::cuda {
namespace {

// What is no entry counts as of a class k.
__global__ void entry_ids_kernel(SparseEntries entries, std::int64_t k, std::int32_t* ids) {
  for (std::int64_t e = first_index(); e < entries.size; e += index_stride())
    ids[e] = entries.coefficient[e] != 0.0f ? entries.class_id[e] : static_cast<std::int32_t>(k);
}

__global__ void count_rows_kernel(Groups groups, std::int64_t k, const float* undefined, std::int32_t* count) {
  const std::int32_t n = *groups.count;
  *count = undefined != nullptr && *undefined != 0.0f ? 0 : groups.ids[n - 1] == k ? n - 1 : n;
}

// blockIdx.y: a row; x: its features.
__global__ void collect_rows_kernel(SparseEntries entries, Groups groups, const std::int32_t* count, std::int64_t d,
                                    const float* hidden, float* gradient, float* bias_gradient) {
  for (std::int64_t n = blockIdx.y; n < *count; n += gridDim.y) {
    const std::int64_t f = first_index();
    if (f >= d) return;
    float sum = 0, bias = 0;
    for (std::int32_t at = groups.first[n]; at < groups.first[n + 1]; ++at) {
      const std::int64_t e = groups.positions[at];
      bias += entries.coefficient[e];
      sum += entries.coefficient[e] * hidden[entries.row[e] * d + f];
    }
    gradient[n * d + f] = sum;
    if (f == 0) bias_gradient[n] = bias;
  }
}

// blockIdx.y: a row; x: its features.
__global__ void add_rows_kernel(SparseRows rows, std::int64_t d, const float* factor, std::int64_t classes_per_factor,
                                float* gradient, float* bias_gradient) {
  for (std::int64_t n = blockIdx.y; n < *rows.count; n += gridDim.y) {
    const std::int64_t j = rows.classes[n], f = first_index();
    const float keep = factor == nullptr ? 1.0f : factor[j / classes_per_factor];
    if (gradient != nullptr && f < d) gradient[j * d + f] = keep * gradient[j * d + f] + rows.gradient[n * d + f];
    if (bias_gradient != nullptr && f == 0) bias_gradient[j] = keep * bias_gradient[j] + rows.bias_gradient[n];
  }
}

__global__ void set_rows_kernel(SparseRows rows, float value, float* x) {
  for (std::int64_t n = first_index(); n < *rows.count; n += index_stride()) x[rows.classes[n]] = value;
}

dim3 row_grid(const SparseRows& rows, std::int64_t d) {
  return {static_cast<unsigned>((d + block_threads - 1) / block_threads), grid_for(rows.most, 1)};
}

}  // namespace

RowCollector::RowCollector(std::int64_t most_entries, std::int64_t d, std::int64_t k)
    : d_(d),
      k_(k),
      finder_(most_entries, k + 1),
      ids_(static_cast<std::size_t>(most_entries), "entries of the gradient"),
      count_(1, "rows of the gradient"),
      gradient_(static_cast<std::size_t>(std::min(most_entries, k) * d), "rows of the gradient"),
      bias_gradient_(static_cast<std::size_t>(std::min(most_entries, k)), "rows of the gradient") {}

SparseRows RowCollector::collect(cudaStream_t stream, const SparseEntries& entries, const float* hidden,
                                 const float* undefined) {
  launch("sparse gradient", entry_ids_kernel, grid_for(entries.size), block_threads, 0, stream, entries, k_,
         ids_.data());
  const Groups groups = finder_.find(stream, ids_.data(), entries.size);
  const SparseRows rows{groups.ids, count_.data(), std::min(entries.size, k_), gradient_.data(), bias_gradient_.data()};
  launch("sparse gradient", count_rows_kernel, 1, 1, 0, stream, groups, k_, undefined, count_.data());
  launch("sparse gradient", collect_rows_kernel, row_grid(rows, d_), block_threads, 0, stream, entries, groups,
         count_.data(), d_, hidden, gradient_.data(), bias_gradient_.data());
  return rows;
}

void add_rows(cudaStream_t stream, const SparseRows& rows, std::int64_t d, const float* factor,
              std::int64_t classes_per_factor, float* gradient, float* bias_gradient) {
  launch("sparse gradient", add_rows_kernel, row_grid(rows, d), block_threads, 0, stream, rows, d, factor,
         classes_per_factor, gradient, bias_gradient);
}

void set_rows(cudaStream_t stream, const SparseRows& rows, float value, float* x) {
  launch("sparse gradient", set_rows_kernel, grid_for(rows.most), block_threads, 0, stream, rows, value, x);
}

}  // namespace onelogit::cuda
