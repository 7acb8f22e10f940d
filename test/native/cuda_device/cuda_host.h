// What tests ask of the stand-in for a GPU (../cuda_host/cuda_runtime.h), answered by a real one under the same names,
// so that a test is one source. Threads run as the GPU likes, and copies take the time they take: only memory can be
// made to end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_host {

struct Order {
  enum Kind { forward } kind = forward;
  std::uint64_t seed = 0;
};
inline void set_order(Order) {}
enum class Delay { none, all, kernels };
inline void delay_work(Delay) {}
struct Counts {
  std::int64_t allocations, frees, waits, launches, graph_launches;
};
inline Counts counts() { return {}; }  // nobody counts here

// Anything but 0 takes all of the GPU's free memory, however little the next allocation asks for; 0 gives it back.
void limit_memory(std::size_t bytes);

}  // namespace cuda_host
