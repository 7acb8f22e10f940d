#include "backend/cuda/window_matrix.h"

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/windows.h"
#include "tensor/bfloat16.h"

namespace onelogit::cuda {
namespace {

__device__ __forceinline__ void convert(float from, float& to) { to = from; }
__device__ __forceinline__ void convert(float from, std::uint16_t& to) { to = onelogit::float32_to_bfloat16(from); }

// A thread stays at its place of the window and goes down the rows; n channels of it.
template <int n, class To>
__global__ void windows_to_matrix_kernel(const float* x, Windows w, std::int64_t group_channels, WindowRows part,
                                         To* matrix) {
  const std::int64_t size = w.channels * w.kernel_height * w.kernel_width;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (column >= size) return;
  const std::int64_t place = column / group_channels, kernel_row = place / w.kernel_width,
                     group = kernel_row / w.kernel_height;
  const std::int64_t channel = group * group_channels + (column - place * group_channels);
  const int down = static_cast<int>(kernel_row - group * w.kernel_height) - w.top,
            right = static_cast<int>(place - kernel_row * w.kernel_width) - w.left;
  for_each_row(part.rows, [&](std::int64_t row) {
    const Pixel out = pixel_of(part.first + row, w.out_height, w.out_width);
    const int y = out.y * w.stride_y + down, x_ = out.x * w.stride_x + right;
    Pack<To, n> to{};
    if (y >= 0 && y < w.height && x_ >= 0 && x_ < w.width) {
      const Pack<float, n> from = load_pack<n>(x + ((out.image * w.height + y) * w.width + x_) * w.channels + channel);
      for (int k = 0; k < n; ++k) convert(from.at[k], to.at[k]);
    }
    store_pack(matrix + row * size + column, to);
  });
}

// A thread stays at its n channels and goes through the pixels of the images, `first` to before first + pixels.
template <int n, bool add>
__global__ void matrix_to_images_kernel(const float* matrix, Windows w, std::int64_t group_channels, WindowRows part,
                                        std::int64_t first, std::int64_t pixels, float* dx) {
  const std::int64_t channel = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
  if (channel >= w.channels) return;
  const std::int64_t size = w.channels * w.kernel_height * w.kernel_width, group = channel / group_channels;
  const float* const of_channel =
      matrix + group * group_channels * w.kernel_height * w.kernel_width + (channel - group * group_channels);
  for_each_row(pixels, [&](std::int64_t row) {
    const Pixel in = pixel_of(first + row, w.height, w.width);
    const Span rows = rows_covering(w, in.y), columns = columns_covering(w, in.x);
    float* const to = dx + (first + row) * w.channels + channel;
    Pack<float, n> sum{};
    if (add) sum = load_pack<n>(to);
    for (int oy = rows.first; oy < rows.end; ++oy)
      for (int ox = columns.first; ox < columns.end; ++ox) {
        const std::int64_t number = (in.image * w.out_height + oy) * w.out_width + ox - part.first;
        if (number < 0 || number >= part.rows) continue;
        const std::int64_t place = static_cast<std::int64_t>(in.y + w.top - oy * w.stride_y) * w.kernel_width +
                                   (in.x + w.left - ox * w.stride_x);
        const Pack<float, n> from = load_pack<n>(of_channel + number * size + place * group_channels);
        for (int k = 0; k < n; ++k) sum.at[k] += from.at[k];
      }
    store_pack(to, sum);
  });
}

template <class To>
void to_matrix(cudaStream_t stream, const Conv2dGeometry& geometry, const float* x, WindowRows part, To* matrix) {
  const std::int64_t size = window_size(geometry);
  if (part.rows == 0 || size == 0) return;
  const int n = geometry.group_channels() % 4 == 0 && is_aligned<4>(x) && is_aligned<4>(matrix) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(part.rows, size / n);
  launch("windows_to_matrix", n == 4 ? windows_to_matrix_kernel<4, To> : windows_to_matrix_kernel<1, To>, threads.grid,
         threads.block, 0, stream, x, Windows(geometry), geometry.group_channels(), part, matrix);
}

}  // namespace

void windows_to_matrix(cudaStream_t stream, const Conv2dGeometry& geometry, const float* x, WindowRows part,
                       float* matrix) {
  to_matrix(stream, geometry, x, part, matrix);
}
void windows_to_matrix(cudaStream_t stream, const Conv2dGeometry& geometry, const float* x, WindowRows part,
                       std::uint16_t* matrix) {
  to_matrix(stream, geometry, x, part, matrix);
}

void matrix_to_images(cudaStream_t stream, const Conv2dGeometry& geometry, const float* matrix, WindowRows part,
                      float* dx) {
  if (part.rows == 0 || window_size(geometry) == 0) return;
  const std::int64_t image = part.first / geometry.out_pixels(), from = part.first - image * geometry.out_pixels();
  const bool whole = from == 0 && part.rows % geometry.out_pixels() == 0;
  std::int64_t first = image * geometry.in_pixels(), pixels = part.rows / geometry.out_pixels() * geometry.in_pixels();
  if (!whole) {
    // The rows of the image that the first to the last row of those windows may cover.
    const std::int64_t begin = from / geometry.out_width * geometry.stride_y - geometry.top,
                       end = (from + part.rows - 1) / geometry.out_width * geometry.stride_y - geometry.top +
                             geometry.kernel_height;
    const std::int64_t top = begin > 0 ? begin : 0, bottom = end < geometry.height ? end : geometry.height;
    if (top >= bottom) return;
    first += top * geometry.width;
    pixels = (bottom - top) * geometry.width;
  }
  const int n = geometry.group_channels() % 4 == 0 && is_aligned<4>(matrix) && is_aligned<4>(dx) ? 4 : 1;
  const MatrixThreads threads = matrix_threads(pixels, geometry.channels / n);
  const auto kernel = whole ? (n == 4 ? matrix_to_images_kernel<4, false> : matrix_to_images_kernel<1, false>)
                            : (n == 4 ? matrix_to_images_kernel<4, true> : matrix_to_images_kernel<1, true>);
  launch("matrix_to_images", kernel, threads.grid, threads.block, 0, stream, matrix, Windows(geometry),
         geometry.group_channels(), part, first, pixels, dx);
}

}  // namespace onelogit::cuda
