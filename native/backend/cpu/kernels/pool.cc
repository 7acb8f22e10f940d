#include "backend/cpu/kernels/pool.h"

#include "backend/cpu/kernels/simd.h"
#include "backend/cpu/kernels/strip.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

struct Range {
  std::int64_t begin, end;
};

// The pixels of one window along an axis, without its padding.
ONELOGIT_INLINE Range pixels_of(std::int64_t window, std::int64_t kernel, std::int64_t stride, std::int64_t before,
                                std::int64_t length) {
  const std::int64_t begin = window * stride - before, end = begin + kernel;
  return {begin < 0 ? 0 : begin, end > length ? length : end};
}

// The windows that one pixel is in along an axis: window · stride ≤ pixel + before < window · stride + kernel.
ONELOGIT_INLINE Range windows_of(std::int64_t pixel, std::int64_t kernel, std::int64_t stride, std::int64_t before,
                                 std::int64_t windows) {
  const std::int64_t earliest = pixel + before - kernel + 1, end = (pixel + before) / stride + 1;
  return {earliest <= 0 ? 0 : (earliest + stride - 1) / stride, end > windows ? windows : end};
}

ONELOGIT_INLINE Range rows_of(const Pool2dGeometry& g, std::int64_t window) {
  return pixels_of(window, g.kernel_height, g.stride_y, g.top, g.height);
}
ONELOGIT_INLINE Range columns_of(const Pool2dGeometry& g, std::int64_t window) {
  return pixels_of(window, g.kernel_width, g.stride_x, g.left, g.width);
}

// strip.template run<width>(channel, access) for all channels from begin to end.
template <class Strip>
ONELOGIT_INLINE void for_strips(std::int64_t begin, std::int64_t end, const Strip& strip) {
  std::int64_t channel = begin;
  for (; channel + 4 * lanes <= end; channel += 4 * lanes) strip.template run<4>(channel, Whole{});
  for (; channel + lanes <= end; channel += lanes) strip.template run<1>(channel, Whole{});
  if (channel < end) strip.template run<1>(channel, Partial{end - channel});
}

ONELOGIT_INLINE VectorI broadcast_place(std::int64_t place) { return VectorI{} + static_cast<std::int32_t>(place); }

template <bool places_wanted>
struct MaxForwardStrip {
  const float* x;        // the image
  float* y;              // the output pixel
  std::int32_t* places;  // of the output pixel
  Range rows, columns;
  std::int64_t width, channels;

  template <int vectors, class Access>
  ONELOGIT_INLINE void run(std::int64_t channel, const Access access) const {
    // From the first pixel, not from −infinity: that may be the largest there is.
    const std::int64_t first = rows.begin * width + columns.begin;
    VectorF best[vectors];
    VectorI place[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      best[v] = access.get(x + first * channels + channel + v * lanes);
      place[v] = broadcast_place(first);
    }
    for (std::int64_t row = rows.begin; row < rows.end; ++row)
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const std::int64_t at = row * width + column;
        const float* const pixel = x + at * channels + channel;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
          const VectorF value = access.get(pixel + v * lanes);
          // Larger or NaN, and the best is not NaN yet.
          const VectorI better = ~(value <= best[v]) & (best[v] == best[v]);
          best[v] = select(better, value, best[v]);
          if constexpr (places_wanted) place[v] = better ? broadcast_place(at) : place[v];
        }
      }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      access.put(y + channel + v * lanes, best[v]);
      if constexpr (places_wanted)
        access.put(reinterpret_cast<float*>(places + channel + v * lanes), from_bits(place[v]));
    }
  }
};

template <bool places_wanted>
ONELOGIT_INLINE void max_forward_row(const MaxPoolForward& pass, std::int64_t row, std::int64_t begin,
                                     std::int64_t end) {
  const Pool2dGeometry& g = pass.geometry;
  const std::int64_t image = row / g.out_height;
  const Range rows = rows_of(g, row % g.out_height);
  const float* const x = pass.x + image * g.height * g.width * g.channels;
  for (std::int64_t column = 0; column < g.out_width; ++column) {
    const std::int64_t out = (row * g.out_width + column) * g.channels;
    for_strips(begin, end,
               MaxForwardStrip<places_wanted>{x, pass.y + out, places_wanted ? pass.places + out : nullptr, rows,
                                              columns_of(g, column), g.width, g.channels});
  }
}

void max_forward(const MaxPoolForward& pass, std::int64_t row, std::int64_t begin, std::int64_t end) {
  if (pass.places != nullptr)
    max_forward_row<true>(pass, row, begin, end);
  else
    max_forward_row<false>(pass, row, begin, end);
}

struct MaxBackwardStrip {
  const std::int32_t* places;  // of the image
  const float* dy;             // of the image
  float* dx;                   // the input pixel
  Range rows, columns;         // of the windows that the pixel is in
  std::int64_t place;          // of the pixel
  std::int64_t out_width, channels;

  template <int vectors, class Access>
  ONELOGIT_INLINE void run(std::int64_t channel, const Access access) const {
    VectorF total[vectors] = {};
    const VectorI here = broadcast_place(place);
    for (std::int64_t row = rows.begin; row < rows.end; ++row)
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const std::int64_t at = (row * out_width + column) * channels + channel;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
          const VectorI largest = bits(access.get(reinterpret_cast<const float*>(places + at + v * lanes)));
          total[v] += select(largest == here, access.get(dy + at + v * lanes), VectorF{});
        }
      }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) access.put(dx + channel + v * lanes, total[v]);
  }
};

// f(dx of the pixel, the windows it is in: rows, columns; its column, the image's first output) for a row of inputs.
template <class F>
ONELOGIT_INLINE void for_input_row(const Pool2dGeometry& g, std::int64_t row, F&& f) {
  const std::int64_t outputs = row / g.height * g.out_height * g.out_width * g.channels;
  const Range rows = windows_of(row % g.height, g.kernel_height, g.stride_y, g.top, g.out_height);
  for (std::int64_t column = 0; column < g.width; ++column)
    f((row * g.width + column) * g.channels, rows, windows_of(column, g.kernel_width, g.stride_x, g.left, g.out_width),
      column, outputs);
}

void max_backward(const MaxPoolBackward& pass, std::int64_t row, std::int64_t begin, std::int64_t end) {
  const Pool2dGeometry& g = pass.geometry;
  for_input_row(g, row, [&](std::int64_t in, Range rows, Range columns, std::int64_t column, std::int64_t outputs) {
    for_strips(begin, end,
               MaxBackwardStrip{pass.places + outputs, pass.dy + outputs, pass.dx + in, rows, columns,
                                row % g.height * g.width + column, g.out_width, g.channels});
  });
}

// Pixels that are summed in float32 before they go into a float64; a window of no more needs none.
constexpr std::int64_t float_run = 16;

struct AvgForwardStrip {
  const float* x;  // the image
  float* y;        // the output pixel
  Range rows, columns;
  std::int64_t width, channels;
  std::int64_t count;

  template <int vectors, class Access>
  ONELOGIT_INLINE void add_pixels(std::int64_t row, Range run, std::int64_t channel, VectorF (&total)[vectors],
                                  const Access access) const {
    for (std::int64_t column = run.begin; column < run.end; ++column) {
      const float* const pixel = x + (row * width + column) * channels + channel;
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) total[v] += access.get(pixel + v * lanes);
    }
  }

  template <int vectors, class Access>
  ONELOGIT_INLINE void run(std::int64_t channel, const Access access) const {
    if ((rows.end - rows.begin) * (columns.end - columns.begin) <= float_run) {
      VectorF total[vectors] = {};
      for (std::int64_t row = rows.begin; row < rows.end; ++row) add_pixels(row, columns, channel, total, access);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) access.put(y + channel + v * lanes, total[v] / static_cast<float>(count));
      return;
    }
    VectorD total[vectors] = {};
    for (std::int64_t row = rows.begin; row < rows.end; ++row)
      for (std::int64_t begin = columns.begin; begin < columns.end; begin += float_run) {
        const std::int64_t end = begin + float_run < columns.end ? begin + float_run : columns.end;
        VectorF part[vectors] = {};
        add_pixels(row, {begin, end}, channel, part, access);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) total[v] += __builtin_convertvector(part[v], VectorD);
      }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      access.put(y + channel + v * lanes, __builtin_convertvector(total[v] / static_cast<double>(count), VectorF));
  }
};

// What the sum of a window is divided by.
ONELOGIT_INLINE std::int64_t divisor(const Pool2dGeometry& g, bool count_padding, Range rows, Range columns) {
  return count_padding ? g.kernel_height * g.kernel_width : (rows.end - rows.begin) * (columns.end - columns.begin);
}

void avg_forward(const AvgPoolForward& pass, std::int64_t row, std::int64_t begin, std::int64_t end) {
  const Pool2dGeometry& g = pass.geometry;
  const Range rows = rows_of(g, row % g.out_height);
  const float* const x = pass.x + row / g.out_height * g.height * g.width * g.channels;
  for (std::int64_t column = 0; column < g.out_width; ++column) {
    const Range columns = columns_of(g, column);
    for_strips(begin, end,
               AvgForwardStrip{x, pass.y + (row * g.out_width + column) * g.channels, rows, columns, g.width,
                               g.channels, divisor(g, pass.count_padding, rows, columns)});
  }
}

struct AvgBackwardStrip {
  const Pool2dGeometry& geometry;
  bool count_padding;
  const float* dy;      // of the image
  float* dx;            // the input pixel
  Range rows, columns;  // of the windows that the pixel is in

  template <int vectors, class Access>
  ONELOGIT_INLINE void run(std::int64_t channel, const Access access) const {
    VectorF total[vectors] = {};
    for (std::int64_t row = rows.begin; row < rows.end; ++row)
      for (std::int64_t column = columns.begin; column < columns.end; ++column) {
        const std::int64_t count =
            divisor(geometry, count_padding, rows_of(geometry, row), columns_of(geometry, column));
        const VectorF share = broadcast(1.0f / static_cast<float>(count));
        const float* const window = dy + (row * geometry.out_width + column) * geometry.channels + channel;
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) total[v] = multiply_add(access.get(window + v * lanes), share, total[v]);
      }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) access.put(dx + channel + v * lanes, total[v]);
  }
};

void avg_backward(const AvgPoolBackward& pass, std::int64_t row, std::int64_t begin, std::int64_t end) {
  const Pool2dGeometry& g = pass.geometry;
  for_input_row(g, row, [&](std::int64_t in, Range rows, Range columns, std::int64_t, std::int64_t outputs) {
    for_strips(begin, end, AvgBackwardStrip{g, pass.count_padding, pass.dy + outputs, pass.dx + in, rows, columns});
  });
}

}  // namespace

const PoolKernels pool_kernels_table = {max_forward, max_backward, avg_forward, avg_backward};

}  // namespace onelogit::ONELOGIT_SIMD
