// A thread stays at n channels and goes through pixels: of the output forwards, of the input backwards, where it
// gathers from the windows that its pixel lies in, so that nothing is added by two threads.

#include "backend/cuda/pool.h"

#include <cmath>

#include "backend/cuda/matrix_threads.h"
#include "backend/cuda/pack.h"
#include "backend/cuda/windows.h"

namespace onelogit::cuda {
namespace {

template <int n>
__device__ __forceinline__ std::int64_t first_channel() {
  return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * n;
}

template <int n>
__global__ void max_pool_forward_kernel(const float* x, Windows w, std::int64_t m, float* y, std::int32_t* places) {
  const std::int64_t channel = first_channel<n>();
  if (channel >= w.channels) return;
  for_each_row(m * w.out_height * w.out_width, [&](std::int64_t number) {
    const Pixel out = pixel_of(number, w.out_height, w.out_width);
    const Span rows = rows_inside(w, out.y), columns = columns_inside(w, out.x);
    const float* const image = x + out.image * w.height * w.width * w.channels + channel;
    Pack<float, n> largest;
    Pack<std::int32_t, n> place;
    for (int k = 0; k < n; ++k) {
      largest.at[k] = -INFINITY;
      place.at[k] = rows.first * w.width + columns.first;
    }
    for (int row = rows.first; row < rows.end; ++row)
      for (int column = columns.first; column < columns.end; ++column) {
        const int at = row * w.width + column;
        const Pack<float, n> value = load_pack<n>(image + at * w.channels);
        for (int k = 0; k < n; ++k)
          // Larger, or the first NaN.
          if (!(value.at[k] <= largest.at[k]) && largest.at[k] == largest.at[k]) {
            largest.at[k] = value.at[k];
            place.at[k] = at;
          }
      }
    store_pack(y + number * w.channels + channel, largest);
    if (places != nullptr) store_pack(places + number * w.channels + channel, place);
  });
}

template <int n>
__global__ void max_pool_backward_kernel(const std::int32_t* places, const float* dy, Windows w, std::int64_t m,
                                         float* dx) {
  const std::int64_t channel = first_channel<n>();
  if (channel >= w.channels) return;
  for_each_row(m * w.height * w.width, [&](std::int64_t number) {
    const Pixel in = pixel_of(number, w.height, w.width);
    const Span rows = rows_covering(w, in.y), columns = columns_covering(w, in.x);
    const std::int32_t at = in.y * w.width + in.x;
    Pack<float, n> sum{};
    for (int row = rows.first; row < rows.end; ++row)
      for (int column = columns.first; column < columns.end; ++column) {
        const std::int64_t from = ((in.image * w.out_height + row) * w.out_width + column) * w.channels + channel;
        const Pack<std::int32_t, n> place = load_pack<n>(places + from);
        const Pack<float, n> gradient = load_pack<n>(dy + from);
        for (int k = 0; k < n; ++k)
          if (place.at[k] == at) sum.at[k] += gradient.at[k];
      }
    store_pack(dx + number * w.channels + channel, sum);
  });
}

// What the sum of a window is divided by.
__device__ __forceinline__ float divisor(const Windows& w, bool count_padding, const Span& rows, const Span& columns) {
  return count_padding ? static_cast<float>(w.kernel_height) * static_cast<float>(w.kernel_width)
                       : static_cast<float>(rows.end - rows.first) * static_cast<float>(columns.end - columns.first);
}

// Rows of a window are summed in float32, their sums in float64.
template <int n>
__global__ void avg_pool_forward_kernel(const float* x, Windows w, bool count_padding, std::int64_t m, float* y) {
  const std::int64_t channel = first_channel<n>();
  if (channel >= w.channels) return;
  for_each_row(m * w.out_height * w.out_width, [&](std::int64_t number) {
    const Pixel out = pixel_of(number, w.out_height, w.out_width);
    const Span rows = rows_inside(w, out.y), columns = columns_inside(w, out.x);
    double sum[n] = {};
    for (int row = rows.first; row < rows.end; ++row) {
      const float* from = x + ((out.image * w.height + row) * w.width + columns.first) * w.channels + channel;
      Pack<float, n> part{};
      for (int column = columns.first; column < columns.end; ++column, from += w.channels) {
        const Pack<float, n> value = load_pack<n>(from);
        for (int k = 0; k < n; ++k) part.at[k] += value.at[k];
      }
      for (int k = 0; k < n; ++k) sum[k] += static_cast<double>(part.at[k]);
    }
    const auto over = static_cast<double>(divisor(w, count_padding, rows, columns));
    Pack<float, n> mean;
    for (int k = 0; k < n; ++k) mean.at[k] = static_cast<float>(sum[k] / over);
    store_pack(y + number * w.channels + channel, mean);
  });
}

template <int n>
__global__ void avg_pool_backward_kernel(const float* dy, Windows w, bool count_padding, std::int64_t m, float* dx) {
  const std::int64_t channel = first_channel<n>();
  if (channel >= w.channels) return;
  for_each_row(m * w.height * w.width, [&](std::int64_t number) {
    const Pixel in = pixel_of(number, w.height, w.width);
    const Span rows = rows_covering(w, in.y), columns = columns_covering(w, in.x);
    Pack<float, n> sum{};
    for (int row = rows.first; row < rows.end; ++row)
      for (int column = columns.first; column < columns.end; ++column) {
        const float over = divisor(w, count_padding, rows_inside(w, row), columns_inside(w, column));
        const Pack<float, n> gradient =
            load_pack<n>(dy + ((in.image * w.out_height + row) * w.out_width + column) * w.channels + channel);
        for (int k = 0; k < n; ++k) sum.at[k] += gradient.at[k] / over;
      }
    store_pack(dx + number * w.channels + channel, sum);
  });
}

// Whether four channels a thread: all pointers may be null.
bool by_four(const Pool2dGeometry& geometry, const void* a, const void* b, const void* c = nullptr) {
  const auto bits =
      reinterpret_cast<std::uintptr_t>(a) | reinterpret_cast<std::uintptr_t>(b) | reinterpret_cast<std::uintptr_t>(c);
  return geometry.channels % 4 == 0 && bits % 16 == 0;
}

}  // namespace

void max_pool_forward(cudaStream_t stream, const Pool2dGeometry& geometry, const float* x, float* y,
                      std::int32_t* places, std::int64_t m) {
  const std::int64_t pixels = m * geometry.out_pixels();
  if (pixels == 0 || geometry.channels == 0) return;
  const bool four = by_four(geometry, x, y, places);
  const MatrixThreads threads = matrix_threads(pixels, four ? geometry.channels / 4 : geometry.channels);
  launch("max_pool_forward", four ? max_pool_forward_kernel<4> : max_pool_forward_kernel<1>, threads.grid,
         threads.block, 0, stream, x, Windows(geometry), m, y, places);
}

void max_pool_backward(cudaStream_t stream, const Pool2dGeometry& geometry, const std::int32_t* places, const float* dy,
                       float* dx, std::int64_t m) {
  const std::int64_t pixels = m * geometry.in_pixels();
  if (pixels == 0 || geometry.channels == 0) return;
  const bool four = by_four(geometry, places, dy, dx);
  const MatrixThreads threads = matrix_threads(pixels, four ? geometry.channels / 4 : geometry.channels);
  launch("max_pool_backward", four ? max_pool_backward_kernel<4> : max_pool_backward_kernel<1>, threads.grid,
         threads.block, 0, stream, places, dy, Windows(geometry), m, dx);
}

void avg_pool_forward(cudaStream_t stream, const Pool2dGeometry& geometry, bool count_padding, const float* x, float* y,
                      std::int64_t m) {
  const std::int64_t pixels = m * geometry.out_pixels();
  if (pixels == 0 || geometry.channels == 0) return;
  const bool four = by_four(geometry, x, y);
  const MatrixThreads threads = matrix_threads(pixels, four ? geometry.channels / 4 : geometry.channels);
  launch("avg_pool_forward", four ? avg_pool_forward_kernel<4> : avg_pool_forward_kernel<1>, threads.grid,
         threads.block, 0, stream, x, Windows(geometry), count_padding, m, y);
}

void avg_pool_backward(cudaStream_t stream, const Pool2dGeometry& geometry, bool count_padding, const float* dy,
                       float* dx, std::int64_t m) {
  const std::int64_t pixels = m * geometry.in_pixels();
  if (pixels == 0 || geometry.channels == 0) return;
  const bool four = by_four(geometry, dy, dx);
  const MatrixThreads threads = matrix_threads(pixels, four ? geometry.channels / 4 : geometry.channels);
  launch("avg_pool_backward", four ? avg_pool_backward_kernel<4> : avg_pool_backward_kernel<1>, threads.grid,
         threads.block, 0, stream, dy, Windows(geometry), count_padding, m, dx);
}

}  // namespace onelogit::cuda
