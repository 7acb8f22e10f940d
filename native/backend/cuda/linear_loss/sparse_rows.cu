#include "backend/cuda/linear_loss/sparse_rows.h"

#include <algorithm>

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"

namespace onelogit::cuda {
namespace {

constexpr unsigned warps = block_threads / warp_size;

// A block of threads for an entry: whether it is the first of its class.
__global__ void mark_first_entries_kernel(SparseEntries entries, std::int32_t* first) {
  for (std::int64_t e = blockIdx.x; e < entries.size; e += gridDim.x) {
    int before = 0;
    if (entries.coefficient[e] != 0.0f)
      for (std::int64_t other = threadIdx.x; other < e; other += blockDim.x)
        before |= entries.class_id[other] == entries.class_id[e] && entries.coefficient[other] != 0.0f ? 1 : 0;
    before = block_sum(before);
    if (threadIdx.x == 0) first[e] = entries.coefficient[e] != 0.0f && before == 0 ? 1 : 0;
  }
}

// One block of threads: the first entries move up, in their order.
__global__ void compact_kernel(SparseEntries entries, const std::int32_t* first, const float* undefined,
                               std::int32_t* first_entry, std::int32_t* classes, std::int32_t* count) {
  __shared__ int of_warps[warps];
  const unsigned warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  int total = 0;
  for (std::int64_t base = 0; base < entries.size; base += block_threads) {
    const std::int64_t e = base + threadIdx.x;
    const bool taken = e < entries.size && first[e] != 0;
    const unsigned lanes = __ballot_sync(all_lanes, taken);
    if (lane == 0) of_warps[warp] = __popc(lanes);
    __syncthreads();
    int at = total + __popc(lanes & ((1u << lane) - 1));
    for (unsigned w = 0; w < warps; ++w) {
      if (w < warp) at += of_warps[w];
      total += of_warps[w];
    }
    if (taken) {
      first_entry[at] = static_cast<std::int32_t>(e);
      classes[at] = entries.class_id[e];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *count = undefined == nullptr || *undefined == 0.0f ? total : 0;
}

// blockIdx.y: a row; x: its features. Entries of the class are looked for 256 at a time.
__global__ void collect_rows_kernel(SparseEntries entries, std::int64_t d, const float* hidden,
                                    const std::int32_t* first_entry, const std::int32_t* count, float* gradient,
                                    float* bias_gradient) {
  __shared__ unsigned found[warps];
  for (std::int64_t n = blockIdx.y; n < *count; n += gridDim.y) {
    const std::int32_t c = entries.class_id[first_entry[n]];
    const std::int64_t f = first_index();
    float sum = 0, bias = 0;
    for (std::int64_t base = first_entry[n] / block_threads * block_threads; base < entries.size;
         base += block_threads) {
      const std::int64_t e = base + threadIdx.x;
      const bool same = e < entries.size && entries.class_id[e] == c && entries.coefficient[e] != 0.0f;
      const unsigned lanes = __ballot_sync(all_lanes, same);
      if (threadIdx.x % warp_size == 0) found[threadIdx.x / warp_size] = lanes;
      __syncthreads();
      for (unsigned word = 0; word < warps; ++word)
        for (unsigned bits = found[word]; bits != 0; bits &= bits - 1) {
          const std::int64_t match = base + word * warp_size + (__ffs(static_cast<int>(bits)) - 1);
          bias += entries.coefficient[match];
          if (f < d) sum += entries.coefficient[match] * hidden[entries.row[match] * d + f];
        }
      __syncthreads();
    }
    if (f < d) gradient[n * d + f] = sum;
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
      first_(static_cast<std::size_t>(most_entries), "entries of the gradient"),
      first_entry_(static_cast<std::size_t>(std::min(most_entries, k)), "rows of the gradient"),
      classes_(first_entry_.size(), "rows of the gradient"),
      count_(1, "rows of the gradient"),
      gradient_(first_entry_.size() * static_cast<std::size_t>(d), "rows of the gradient"),
      bias_gradient_(first_entry_.size(), "rows of the gradient") {}

SparseRows RowCollector::collect(cudaStream_t stream, const SparseEntries& entries, const float* hidden,
                                 const float* undefined) {
  const SparseRows rows{classes_.data(), count_.data(),
                        std::min(entries.size, static_cast<std::int64_t>(classes_.size())), gradient_.data(),
                        bias_gradient_.data()};
  launch("sparse gradient", mark_first_entries_kernel, grid_for(entries.size, 1), block_threads, 0, stream, entries,
         first_.data());
  launch("sparse gradient", compact_kernel, 1, block_threads, 0, stream, entries, first_.data(), undefined,
         first_entry_.data(), classes_.data(), count_.data());
  launch("sparse gradient", collect_rows_kernel, row_grid(rows, d_), block_threads, 0, stream, entries, d_, hidden,
         first_entry_.data(), count_.data(), gradient_.data(), bias_gradient_.data());
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
