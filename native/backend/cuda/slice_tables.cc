#include "backend/cuda/slice_tables.h"

#include <algorithm>
#include <utility>

#include "backend/cuda/check.h"
#include "backend/cuda/grid.h"

namespace onelogit::cuda {
namespace {

bool same(const ParameterSlice& a, const ParameterSlice& b) {
  return a.value == b.value && a.gradient == b.gradient && a.state[0] == b.state[0] && a.state[1] == b.state[1] &&
         a.size == b.size;
}

// A multiple of a block's packs of four. Small enough to keep a GPU busy with a small model, large enough that the
// table of a large one is small: chunks of up to 16384 elements, from 2048 chunks on.
std::int64_t chunk_size(std::int64_t total) {
  constexpr std::int64_t unit = 4 * block_threads;
  return unit * std::clamp<std::int64_t>(total / (unit * 2048), 1, 16);
}

std::vector<ParameterSlice> cut(const ParameterSlice* slices, std::size_t count) {
  std::int64_t total = 0;
  for (std::size_t s = 0; s < count; ++s) total += slices[s].size;
  const std::int64_t size = chunk_size(total);
  std::vector<ParameterSlice> chunks;
  for (std::size_t s = 0; s < count; ++s)
    for (std::int64_t at = 0; at < slices[s].size; at += size) {
      ParameterSlice chunk = slices[s];
      chunk.value += at;
      chunk.gradient += at;
      for (float*& state : chunk.state)
        if (state != nullptr) state += at;
      chunk.size = std::min(size, slices[s].size - at);
      chunks.push_back(chunk);
    }
  return chunks;
}

SliceTable make_table(cudaStream_t stream, const ParameterSlice* slices, std::size_t count) {
  constexpr const char* what = "the table of an optimizer's parameters";
  const std::vector<ParameterSlice> chunks = cut(slices, count);
  SliceTable table{{slices, slices + count},
                   DeviceBuffer<ParameterSlice>(chunks.size(), what),
                   DeviceBuffer<double>(chunks.size(), what)};
  if (!chunks.empty()) {
    check(cudaMemcpyAsync(table.chunks.data(), chunks.data(), chunks.size() * sizeof(ParameterSlice),
                          cudaMemcpyHostToDevice, stream),
          what);
    check(cudaStreamSynchronize(stream), what);  // `chunks` goes
  }
  return table;
}

}  // namespace

const SliceTable& SliceTables::of(cudaStream_t stream, const ParameterSlice* slices, std::size_t count) {
  const auto found = std::find_if(tables_.begin(), tables_.end(), [&](const SliceTable& table) {
    return std::equal(table.slices.begin(), table.slices.end(), slices, slices + count, same);
  });
  if (found != tables_.end()) {
    std::rotate(found, found + 1, tables_.end());
    return tables_.back();
  }
  SliceTable table = make_table(stream, slices, count);
  if (tables_.size() == capacity) tables_.erase(tables_.begin());
  tables_.push_back(std::move(table));
  return tables_.back();
}

}  // namespace onelogit::cuda
