// Places for blocks of memory that are in use for a while each: those whose times do not meet may share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onelogit {

// One block, and the plan's answer.
struct MemoryBlock {
  std::int64_t size = 0;            // elements; the place is a multiple of 16 of them
  std::int64_t begin = 0, end = 0;  // in use from time begin to time end, both included
  std::int64_t offset = 0;          // where it was placed
};

// Fills the offsets and returns how many elements all of it takes. Large blocks first, each at the lowest place that is
// free for its time (Pisarchyk and Lee 2020, "greedy by size").
std::int64_t place_blocks(std::vector<MemoryBlock>& blocks);

// Throws ERR_ONELOGIT_OUT_OF_MEMORY for more float32 than any memory holds, counted in float64: products of sizes that
// come from outside could overflow, and ask for little.
void check_memory(double floats);

// Elements that a tensor of `size` takes: 64 bytes at a time.
inline std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

// Sets of values in one block each, as layers write over what they read (union-find), with when each is in use.
class SharedBlocks {
 public:
  // A block of its own for a value; returns its number.
  std::size_t add(std::int64_t size, std::int64_t begin, std::int64_t end);
  void use(std::size_t value, std::int64_t time);
  // From now on both are in one block.
  void share(std::size_t a, std::size_t b);
  std::int64_t end(std::size_t value) { return blocks_[root(value)].end; }
  bool shared(std::size_t a, std::size_t b) { return root(a) == root(b); }
  // Places all blocks: the elements that they take. Afterwards `offset` tells where a value is.
  std::int64_t place();
  std::int64_t offset(std::size_t value) { return blocks_[root(value)].offset; }

 private:
  std::size_t root(std::size_t value);
  std::vector<std::size_t> parents_;
  std::vector<MemoryBlock> blocks_;
};

}  // namespace onelogit
