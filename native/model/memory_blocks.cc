#include "model/memory_blocks.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "error.h"

namespace onelogit {

void check_memory(double floats) {
  constexpr double most = 1152921504606846976.0;  // 2^60
  if (!(floats <= most))
    throw Error(
        ErrorKind::operation, "ERR_ONELOGIT_OUT_OF_MEMORY",
        "Expected at most 2^60 numbers for the buffers of a model but received about " + std::to_string(floats));
}

std::int64_t place_blocks(std::vector<MemoryBlock>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].size > blocks[b].size; });
  std::vector<std::size_t> placed;  // by offset
  placed.reserve(blocks.size());
  std::int64_t total = 0;
  for (const std::size_t index : order) {
    MemoryBlock& block = blocks[index];
    const std::int64_t size = padded(block.size);
    std::int64_t offset = 0;
    for (const std::size_t other_index : placed) {
      const MemoryBlock& other = blocks[other_index];
      if (other.begin > block.end || other.end < block.begin) continue;
      if (other.offset >= offset + size) break;
      offset = std::max(offset, other.offset + padded(other.size));
    }
    block.offset = offset;
    total = std::max(total, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), offset,
                                   [&](std::int64_t value, std::size_t other) { return value < blocks[other].offset; }),
                  index);
  }
  return total;
}

std::size_t SharedBlocks::add(std::int64_t size, std::int64_t begin, std::int64_t end) {
  parents_.push_back(parents_.size());
  blocks_.push_back({size, begin, end, 0});
  return parents_.size() - 1;
}

void SharedBlocks::use(std::size_t value, std::int64_t time) {
  MemoryBlock& block = blocks_[root(value)];
  block.end = std::max(block.end, time);
}

void SharedBlocks::share(std::size_t a, std::size_t b) {
  const std::size_t kept = root(a), gone = root(b);
  if (kept == gone) return;
  MemoryBlock &block = blocks_[kept], &other = blocks_[gone];
  block = {std::max(block.size, other.size), std::min(block.begin, other.begin), std::max(block.end, other.end), 0};
  parents_[gone] = kept;
}

std::int64_t SharedBlocks::place() {
  std::vector<MemoryBlock> roots;
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (parents_[i] != i) continue;
    roots.push_back(blocks_[i]);
    indices.push_back(i);
  }
  const std::int64_t total = place_blocks(roots);
  for (std::size_t i = 0; i < roots.size(); ++i) blocks_[indices[i]].offset = roots[i].offset;
  return total;
}

std::size_t SharedBlocks::root(std::size_t value) {
  while (parents_[value] != value) value = parents_[value] = parents_[parents_[value]];
  return value;
}

}  // namespace onelogit
