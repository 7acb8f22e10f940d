#include "backend/cuda/copies.h"

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/windows.h"

namespace onelogit::cuda {
namespace {

// n columns a thread.
template <int n>
__global__ void copy_columns_kernel(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                                    std::int64_t columns) {
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= columns) return;
  for_each_row(rows,
               [&](std::int64_t row) { store_pack(y + row * ldy + column, load_pack<n>(x + row * ldx + column)); });
}

struct Size {
  std::int64_t height, width;
};

// A thread stays at its n channels and goes through the pixels of the output.
template <int n>
__global__ void place_images_kernel(const float* x, Size from, float* y, Size to, std::int64_t channels,
                                    std::int64_t top, std::int64_t left, std::int64_t m) {
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (channel >= channels) return;
  for_each_row(m * to.height * to.width, [&](std::int64_t number) {
    const Pixel out = pixel_of(number, static_cast<int>(to.height), static_cast<int>(to.width));
    const std::int64_t row = out.y - top, column = out.x - left;
    Pack<float, n> pack{};
    if (row >= 0 && row < from.height && column >= 0 && column < from.width)
      pack = load_pack<n>(x + ((out.image * from.height + row) * from.width + column) * channels + channel);
    store_pack(y + number * channels + channel, pack);
  });
}

}  // namespace

void copy_columns(cudaStream_t stream, const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                  std::int64_t columns) {
  if (rows == 0 || columns == 0) return;
  const int n = (columns | ldx | ldy) % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(y) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(rows, columns / n);
  launch("copy_columns", n == 4 ? copy_columns_kernel<4> : copy_columns_kernel<1>, threads.grid, threads.block, 0,
         stream, x, ldx, y, ldy, rows, columns);
}

void place_images(cudaStream_t stream, const float* x, std::int64_t height, std::int64_t width, float* y,
                  std::int64_t out_height, std::int64_t out_width, std::int64_t channels, std::int64_t top,
                  std::int64_t left, std::int64_t m) {
  const std::int64_t pixels = m * out_height * out_width;
  if (pixels == 0 || channels == 0) return;
  const int n = channels % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(y) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(pixels, channels / n);
  launch("place_images", n == 4 ? place_images_kernel<4> : place_images_kernel<1>, threads.grid, threads.block, 0,
         stream, x, Size{height, width}, y, Size{out_height, out_width}, channels, top, left, m);
}

}  // namespace onelogit::cuda
