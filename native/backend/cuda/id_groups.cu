// A bitonic sort (Batcher 1968) of (id, position): keys are different, so there is one order. Steps over distances
// within a tile are done in shared memory, a launch for all of them.

#include "backend/cuda/id_groups.h"

#include <algorithm>
#include <limits>
#include <string>

#include "backend/cuda/launch.h"
#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/reduce.h"
#include "error.h"

namespace onelogit::cuda {
namespace {

constexpr std::int64_t largest_tile = 2048;  // keys: 16 KiB of shared memory
constexpr unsigned warps = block_threads / warp_size;

__device__ __forceinline__ std::int32_t id_of(std::uint64_t key) { return static_cast<std::int32_t>(key >> 32); }

// Keys `distance` apart are put in order, ascending where bit `size` of their number is 0. Thread t has pair t.
__device__ __forceinline__ void order_pair(std::uint64_t* keys, std::int64_t pair, std::int64_t first,
                                           std::int64_t distance, std::int64_t size) {
  const std::int64_t low = pair / distance * 2 * distance + pair % distance, high = low + distance;
  const std::uint64_t a = keys[low], b = keys[high];
  if ((a > b) != (((first + low) & size) != 0)) {
    keys[low] = b;
    keys[high] = a;
  }
}

// A block of threads for a tile. Sizes from `from` to `to`, each with all distances that a tile has room for. With ids,
// keys are made of them; beyond n are the largest.
__global__ void sort_tile_kernel(const std::int32_t* ids, std::int64_t n, std::uint64_t* keys, std::int64_t tile,
                                 std::int64_t from, std::int64_t to) {
  std::uint64_t* const own = dynamic_shared<std::uint64_t>();
  const std::int64_t first = blockIdx.x * tile;
  for (std::int64_t i = threadIdx.x; i < tile; i += blockDim.x) {
    const std::int64_t at = first + i;
    own[i] = ids == nullptr ? keys[at]
             : at < n       ? static_cast<std::uint64_t>(ids[at]) << 32 | static_cast<std::uint64_t>(at)
                            : ~std::uint64_t{0};
  }
  __syncthreads();
  for (std::int64_t size = from; size <= to; size *= 2)
    for (std::int64_t distance = (size < tile ? size : tile) / 2; distance > 0; distance /= 2) {
      for (std::int64_t pair = threadIdx.x; pair < tile / 2; pair += blockDim.x)
        order_pair(own, pair, first, distance, size);
      __syncthreads();
    }
  for (std::int64_t i = threadIdx.x; i < tile; i += blockDim.x) keys[first + i] = own[i];
}

__global__ void sort_step_kernel(std::uint64_t* keys, std::int64_t pairs, std::int64_t distance, std::int64_t size) {
  for (std::int64_t pair = first_index(); pair < pairs; pair += index_stride())
    order_pair(keys, pair, 0, distance, size);
}

__device__ __forceinline__ bool is_head(const std::uint64_t* keys, std::int64_t at, std::int64_t n) {
  return at < n && (at == 0 || id_of(keys[at]) != id_of(keys[at - 1]));
}

// A block of threads for a tile.
__global__ void count_heads_kernel(const std::uint64_t* keys, std::int64_t n, std::int64_t tile, std::int32_t* heads) {
  int count = 0;
  for (std::int64_t i = threadIdx.x; i < tile; i += blockDim.x)
    count += is_head(keys, blockIdx.x * tile + i, n) ? 1 : 0;
  count = block_sum(count);
  if (threadIdx.x == 0) heads[blockIdx.x] = count;
}

// A block of threads for a tile: its heads come after those of the tiles before.
__global__ void write_groups_kernel(const std::uint64_t* keys, std::int64_t n, std::int64_t tile,
                                    const std::int32_t* heads, std::int32_t* ids, std::int32_t* first,
                                    std::int32_t* positions, std::int32_t* count) {
  __shared__ int of_warps[warps];
  const unsigned warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
  int total = 0;
  for (unsigned t = threadIdx.x; t < blockIdx.x; t += blockDim.x) total += heads[t];
  total = block_sum(total);
  for (std::int64_t base = 0; base < tile; base += block_threads) {
    const std::int64_t at = blockIdx.x * tile + base + threadIdx.x;
    const bool head = base + threadIdx.x < tile && is_head(keys, at, n);
    const unsigned lanes = __ballot_sync(all_lanes, head);
    if (lane == 0) of_warps[warp] = __popc(lanes);
    __syncthreads();
    int group = total + __popc(lanes & ((1u << lane) - 1));
    for (unsigned w = 0; w < warps; ++w) {
      if (w < warp) group += of_warps[w];
      total += of_warps[w];
    }
    if (head) {
      ids[group] = id_of(keys[at]);
      first[group] = static_cast<std::int32_t>(at);
    }
    if (base + threadIdx.x < tile && at < n) positions[at] = static_cast<std::int32_t>(keys[at]);
    __syncthreads();  // of_warps is written again
  }
  if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) {
    *count = total;
    first[total] = static_cast<std::int32_t>(n);
  }
}

// `width` columns a thread; rows of threads go through the groups.
template <int width>
__global__ void sum_groups_kernel(Groups groups, ListedRows rows, float* sums) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * width;
  if (column >= rows.columns) return;
  const std::int64_t of_examples = rows.examples * rows.per_example;
  for_each_row(*groups.count, [&](std::int64_t group) {
    Pack<float, width> sum;
    for (int k = 0; k < width; ++k) sum.at[k] = 0;
    const std::int32_t end = groups.first[group + 1];
    for (std::int32_t at = groups.first[group]; at < end; ++at) {
      const std::int64_t position = groups.positions[at];
      if (position < rows.stored) {
        const auto row = load_pack<width>(rows.rows + position * rows.columns + column);
        for (int k = 0; k < width; ++k) sum.at[k] += row.at[k];
        continue;
      }
      const std::int64_t q = position - rows.stored;
      const std::int64_t i = q < of_examples ? q / rows.per_example : q - of_examples;
      const float coefficient = rows.coefficient[q];
      if (rows.hidden == nullptr) {
        for (int k = 0; k < width; ++k) sum.at[k] += coefficient;
        continue;
      }
      const auto row = load_pack<width>(rows.hidden + i * rows.columns + column);
      for (int k = 0; k < width; ++k) sum.at[k] += coefficient * row.at[k];
    }
    store_pack(sums + group * rows.columns + column, sum);
  });
}

// A power of two that has room for n.
std::int64_t padded(std::int64_t n) {
  std::int64_t size = 2;
  while (size < n) size *= 2;
  return size;
}

// Positions are 32-bit numbers.
std::int64_t checked(std::int64_t ids) {
  if (ids > std::numeric_limits<std::int32_t>::max())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected fewer than 2^31 rows (labels and draws, or ids) for a step on the GPU but received " +
                    std::to_string(ids) + ": use a smaller batchSize, fewer or shared draws");
  return ids;
}

}  // namespace

IdGroups::IdGroups(std::int64_t most_ids, std::int64_t different)
    : different_(different),
      keys_(static_cast<std::size_t>(padded(checked(most_ids))), "rows of a step"),
      heads_(static_cast<std::size_t>((padded(most_ids) + largest_tile - 1) / largest_tile), "rows of a step"),
      ids_(static_cast<std::size_t>(std::min(most_ids, different)), "rows of a step"),
      count_(1, "rows of a step"),
      first_(ids_.size() + 1, "rows of a step"),
      positions_(static_cast<std::size_t>(most_ids), "rows of a step") {}

Groups IdGroups::find(cudaStream_t stream, const std::int32_t* ids, std::int64_t n) {
  const std::int64_t size = padded(n), tile = std::min(size, largest_tile);
  const auto tiles = static_cast<unsigned>(size / tile);
  const auto shared = static_cast<std::size_t>(tile) * sizeof(std::uint64_t);
  const std::int32_t* const none = nullptr;
  launch("sort", sort_tile_kernel, tiles, block_threads, shared, stream, ids, n, keys_.data(), tile, 2, tile);
  for (std::int64_t sorted = 2 * tile; sorted <= size; sorted *= 2) {
    for (std::int64_t distance = sorted / 2; distance >= tile; distance /= 2)
      launch("sort", sort_step_kernel, grid_for(size / 2), block_threads, 0, stream, keys_.data(), size / 2, distance,
             sorted);
    launch("sort", sort_tile_kernel, tiles, block_threads, shared, stream, none, n, keys_.data(), tile, sorted, sorted);
  }
  launch("groups", count_heads_kernel, tiles, block_threads, 0, stream, keys_.data(), n, tile, heads_.data());
  launch("groups", write_groups_kernel, tiles, block_threads, 0, stream, keys_.data(), n, tile, heads_.data(),
         ids_.data(), first_.data(), positions_.data(), count_.data());
  return {ids_.data(), count_.data(), std::min(n, different_), first_.data(), positions_.data()};
}

void sum_groups(cudaStream_t stream, const Groups& groups, const ListedRows& rows, float* sums) {
  if (groups.most == 0) return;
  const bool packs =
      rows.columns % 4 == 0 && is_aligned<4>(rows.rows) && is_aligned<4>(rows.hidden) && is_aligned<4>(sums);
  const MatrixThreads threads = matrix_threads(groups.most, packs ? rows.columns / 4 : rows.columns);
  launch("groups", packs ? sum_groups_kernel<4> : sum_groups_kernel<1>, threads.grid, threads.block, 0, stream, groups,
         rows, sums);
}

}  // namespace onelogit::cuda
