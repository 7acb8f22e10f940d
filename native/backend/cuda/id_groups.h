// Equal numbers of a list brought together: the rows that a step touches, each once, and where in the list each of them
// is. The order is fixed, so that sums over them have the same bits in every run. All pointers are device memory:
// nothing waits for how many there are.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"

namespace onelogit::cuda {

struct Groups {
  const std::int32_t* ids;        // the different ids, ascending
  const std::int32_t* count;      // how many they are
  std::int64_t most;              // what there is room for
  const std::int32_t* first;      // one more than ids: where each one's positions begin in `positions`
  const std::int32_t* positions;  // in the list, ascending within an id
};

class IdGroups {
 public:
  IdGroups() = default;
  // For lists of up to `most_ids` numbers in [0, different).
  IdGroups(std::int64_t most_ids, std::int64_t different);

  // What is returned lives until the next call.
  Groups find(cudaStream_t stream, const std::int32_t* ids, std::int64_t n);

 private:
  std::int64_t different_ = 0;
  DeviceBuffer<std::uint64_t> keys_;  // id and position, ascending
  DeviceBuffer<std::int32_t> heads_;  // in each tile of keys: how many are the first of their id
  DeviceBuffer<std::int32_t> ids_, count_, first_, positions_;
};

// What the positions of a list stand for: rows of `columns` numbers. Position p below `stored` is row p of `rows`; the
// others, q = p − stored, are coefficient[q] · hidden row: q / per_example below `examples` · per_example, and from
// there on q − examples · per_example.
struct ListedRows {
  std::int64_t columns = 0;
  const float* rows = nullptr;
  std::int64_t stored = 0;
  const float* coefficient = nullptr;
  const float* hidden = nullptr;  // null: rows of ones
  std::int64_t examples = 0, per_example = 0;
};

// sums (most×columns): of each group the sum of its rows, in the order of the list.
void sum_groups(cudaStream_t stream, const Groups& groups, const ListedRows& rows, float* sums);

}  // namespace onelogit::cuda
