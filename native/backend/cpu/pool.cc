#include "backend/cpu/kernels/pool.h"

#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

// Channels that a thread works on at least: a whole image in one output pixel is cut between threads by these.
constexpr std::int64_t channel_block = 64;

// body(row, begin, end) for all channels of `rows` rows of `width` pixels, each of which reads `reads` numbers per
// channel.
void for_row_parts(const Pool2dGeometry& geometry, std::int64_t rows, std::int64_t width, std::int64_t reads,
                   FunctionRef<void(std::int64_t row, std::int64_t begin, std::int64_t end)> body) {
  const std::int64_t channels = geometry.channels, blocks = (channels + channel_block - 1) / channel_block;
  const std::int64_t work =
      width * std::min(channels, channel_block) * std::clamp<std::int64_t>(reads, 1, elementwise_grain);
  parallel_for(rows * blocks, row_grain(work), 1, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t row = begin / blocks, block = begin % blocks, last = std::min(blocks, block + end - begin);
      body(row, block * channel_block, std::min(channels, last * channel_block));
      begin += last - block;
    }
  });
}

void for_output_rows(const Pool2dGeometry& geometry, std::int64_t m,
                     FunctionRef<void(std::int64_t row, std::int64_t begin, std::int64_t end)> body) {
  for_row_parts(geometry, m * geometry.out_height, geometry.out_width, geometry.kernel_pixels(), body);
}

void for_input_rows(const Pool2dGeometry& geometry, std::int64_t m,
                    FunctionRef<void(std::int64_t row, std::int64_t begin, std::int64_t end)> body) {
  // Windows that a pixel is in.
  const std::int64_t reads = geometry.kernel_pixels() / (geometry.stride_y * geometry.stride_x);
  for_row_parts(geometry, m * geometry.height, geometry.width, reads, body);
}

}  // namespace

void CpuBackend::max_pool_forward(const Pool2dGeometry& geometry, const float* x, float* y, std::int32_t* places,
                                  std::int64_t m) {
  const MaxPoolForward pass{geometry, x, y, places};
  for_output_rows(geometry, m, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    pool_kernels().max_forward(pass, row, begin, end);
  });
}

void CpuBackend::max_pool_backward(const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy,
                                   float* dx, std::int64_t m) {
  const MaxPoolBackward pass{geometry, places, dy, dx};
  for_input_rows(geometry, m, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    pool_kernels().max_backward(pass, row, begin, end);
  });
}

void CpuBackend::avg_pool_forward(const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                                  std::int64_t m) {
  const AvgPoolForward pass{geometry, count_padding, x, y};
  for_output_rows(geometry, m, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    pool_kernels().avg_forward(pass, row, begin, end);
  });
}

void CpuBackend::avg_pool_backward(const Pool2dGeometry& geometry, bool count_padding, const float* dy, float* dx,
                                   std::int64_t m) {
  const AvgPoolBackward pass{geometry, count_padding, dy, dx};
  for_input_rows(geometry, m, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    pool_kernels().avg_backward(pass, row, begin, end);
  });
}

}  // namespace onelogit
