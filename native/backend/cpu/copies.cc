#include <algorithm>
#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"
#include "tensor/buffer.h"

namespace onelogit {
void CpuBackend::copy_columns(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t columns) {
  parallel_for(rows, row_grain(columns), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) std::memcpy(y + row * ldy, x + row * ldx, bytes_of(columns));
  });
}

void CpuBackend::place_images(const float* x, std::int64_t height, std::int64_t width, float* y,
                              std::int64_t out_height, std::int64_t out_width, std::int64_t channels, std::int64_t top,
                              std::int64_t left, std::int64_t m) {
  // What of a row of y is x; the rest is 0.
  const std::int64_t from = std::clamp<std::int64_t>(left, 0, out_width) * channels,
                     to = std::clamp<std::int64_t>(left + width, 0, out_width) * channels, size = out_width * channels;
  parallel_for(m * out_height, row_grain(size), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      float* const target = y + row * size;
      const std::int64_t image = row / out_height, source = row % out_height - top;
      if (source < 0 || source >= height || from >= to) {
        std::memset(target, 0, bytes_of(size));
        continue;
      }
      std::memset(target, 0, bytes_of(from));
      std::memcpy(target + from, x + (image * height + source) * width * channels + from - left * channels,
                  bytes_of(to - from));
      std::memset(target + to, 0, bytes_of(size - to));
    }
  });
}

}  // namespace onelogit
