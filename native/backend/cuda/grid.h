// Sizes of launches.
#pragma once

#include <cstdint>

namespace onelogit::cuda {

constexpr unsigned block_threads = 256;

// Blocks for `size` elements at one thread each; kernels stride over what is left.
inline unsigned grid_for(std::int64_t size, std::int64_t per_block = block_threads, std::int64_t most = 65535) {
  const std::int64_t blocks = (size + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

}  // namespace onelogit::cuda
