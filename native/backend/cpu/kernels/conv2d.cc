// See conv2d.h. Two ways to pack windows: with many channels each pixel of a window is a run long enough to be
// transposed from where it lies in the image; with few, a window's rows are first gathered side by side.

#include "backend/cpu/kernels/conv2d.h"

#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/kernels/gemm_pack.h"
#include "backend/cpu/kernels/gemm_tile.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

// What a pixel outside the image is read from.
alignas(64) const float zeros[most_window_part] = {};

// Where the windows of a strip begin: may be outside the image.
struct Corners {
  std::int64_t y[tile_rows], x[tile_rows];
  std::int64_t place[tile_rows];  // in floats from Windows::x
};

ONELOGIT_INLINE void find_corners(const Windows& w, std::int64_t pixel, std::int64_t rows, Corners& corners) {
  std::int64_t out_x = pixel % w.out_width, rest = pixel / w.out_width;
  std::int64_t out_y = rest % w.out_height, image = rest / w.out_height;
  for (std::int64_t r = 0; r < rows; ++r) {
    corners.y[r] = out_y * w.stride_y - w.top;
    corners.x[r] = out_x * w.stride_x - w.left;
    corners.place[r] = ((image * w.height + corners.y[r]) * w.width + corners.x[r]) * w.channels;
    if (++out_x < w.out_width) continue;
    out_x = 0;
    if (++out_y < w.out_height) continue;
    out_y = 0;
    ++image;
  }
}

ONELOGIT_INLINE bool within(std::int64_t i, std::int64_t size) {
  return static_cast<std::uint64_t>(i) < static_cast<std::uint64_t>(size);
}

// k elements of each of `rows` rows, transposed: out[l · rows + i] = p[i][l]. Writes up to `lanes` floats too much.
ONELOGIT_INLINE void transpose_rows(const float* const (&p)[tile_rows], std::int64_t rows, std::int64_t k, float* out) {
  // From the last group of rows to the first: see pack_transposed.
  for (std::int64_t group = (rows - 1) / lanes * lanes; group >= 0; group -= lanes) {
    constexpr int most = tile_rows < lanes ? tile_rows : lanes;
    for (std::int64_t l = 0; l < k; l += lanes) {
      const std::int64_t left = k - l;
      VectorF block[lanes] = {};
      if (left >= lanes) {
#pragma GCC unroll 16
        for (int i = 0; i < most; ++i)
          if (group + i < rows) block[i] = load(p[group + i] + l);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < most; ++i)
          if (group + i < rows) block[i] = load_partial(p[group + i] + l, left, 0.0f);
      }
      transpose(block);
      float* const to = out + l * rows + group;
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        if (i < left) store(to + i * rows, block[i]);
    }
  }
}

void pack_pixels(const Windows& w, const Corners& corners, std::int64_t rows, float* out) {
  std::int64_t pixel = w.begin / w.group_channels, channel = w.begin % w.group_channels;
  std::int64_t ky = pixel / w.kernel_width, kx = pixel % w.kernel_width;
  for (std::int64_t left = w.k; left > 0;) {
    const std::int64_t run = smaller(w.group_channels - channel, left);
    const std::int64_t offset = (ky * w.width + kx) * w.channels + channel;
    const float* p[tile_rows];
    for (std::int64_t r = 0; r < rows; ++r)
      p[r] = within(corners.y[r] + ky, w.height) && within(corners.x[r] + kx, w.width)
                 ? w.x + (corners.place[r] + offset)
                 : zeros;
    transpose_rows(p, rows, run, out);
    out += run * rows;
    left -= run;
    channel = 0;
    if (++kx == w.kernel_width) {
      kx = 0;
      ++ky;
    }
  }
}

// Both write up to a vector too much.
ONELOGIT_INLINE void copy(const float* from, float* to, std::int64_t n) {
  for (; n >= lanes; n -= lanes, from += lanes, to += lanes) store(to, load(from));
  if (n > 0) store(to, load_partial(from, n, 0.0f));
}
ONELOGIT_INLINE void clear(float* to, std::int64_t n) {
  for (; n > 0; n -= lanes, to += lanes) store(to, VectorF{});
}

ONELOGIT_INLINE std::int64_t clamp(std::int64_t i, std::int64_t low, std::int64_t high) {
  return i < low ? low : smaller(i, high);
}

// What of a window lies side by side in the image: a row of its pixels when the group has all channels, else a pixel.
struct Runs {
  std::int64_t pixels, size, in_row;  // of a run; its floats; runs in a row of the window
  std::int64_t ky, kx, at;            // where the part begins: a run's first pixel, and how far into the run

  ONELOGIT_INLINE explicit Runs(const Windows& w) {
    pixels = w.group_channels == w.channels ? w.kernel_width : 1;
    size = pixels * w.group_channels;
    in_row = w.kernel_width / pixels;
    const std::int64_t first = w.begin / size;
    ky = first / in_row;
    kx = first % in_row;  // 0 when a run is a row
    at = w.begin % size;
  }
};

// The part of one window, side by side; writes up to a vector too much.
ONELOGIT_INLINE void gather(const Windows& w, const Runs& runs, const Corners& corners, std::int64_t r, float* to) {
  std::int64_t at = runs.at, ky = runs.ky, kx = runs.kx;
  for (std::int64_t left = w.k; left > 0;) {
    const std::int64_t end = smaller(runs.size, at + left), corner = corners.x[r] + kx;
    const std::int64_t place = corners.place[r] + (ky * w.width + kx) * w.channels;
    if (!within(corners.y[r] + ky, w.height)) {
      clear(to, end - at);
    } else if (corner >= 0 && corner + runs.pixels <= w.width) {
      copy(w.x + (place + at), to, end - at);
    } else {
      // The run's elements inside the image.
      const std::int64_t from = clamp(clamp(-corner, 0, runs.pixels) * w.group_channels, at, end);
      const std::int64_t until = clamp(clamp(w.width - corner, 0, runs.pixels) * w.group_channels, from, end);
      clear(to, from - at);
      if (until > from) copy(w.x + (place + from), to + (from - at), until - from);
      clear(to + (until - at), end - until);
    }
    to += end - at;
    left -= end - at;
    at = 0;
    if (++kx == runs.in_row) {
      kx = 0;
      ++ky;
    }
  }
}

void pack_gathered(const Windows& w, const Runs& runs, const Corners& corners, std::int64_t rows, float* out) {
  alignas(64) float gathered[tile_rows][most_window_part + lanes];
  const float* p[tile_rows] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    gather(w, runs, corners, r, gathered[r]);
    p[r] = gathered[r];
  }
  transpose_rows(p, rows, w.k, out);
}

void pack_windows(const Windows& w, float* out) {
  const Strips strips(w.rows, tile_rows);
  const Runs runs(w);
  for (std::int64_t strip = w.first_strip; strip < w.end_strip; ++strip) {
    const std::int64_t begin = strips.begin(strip), rows = strips.rows(strip);
    Corners corners;
    find_corners(w, w.first + begin, rows, corners);
    float* const to = out + begin * w.k + strip * window_strip_gap;
    if (w.group_channels >= lanes) {
      pack_pixels(w, corners, rows, to);
    } else {
      pack_gathered(w, runs, corners, rows, to);
    }
  }
}

void pack_filters(const float* weight, std::int64_t n, std::int64_t k, std::int64_t first, std::int64_t end,
                  float* out) {
  for (std::int64_t column = first; column < end; column += tile_columns) {
    const std::int64_t count = smaller(tile_columns, n - column);
    pack_transposed(weight + column * k, k, count, k, 1.0f, round_up(count, lanes), out + column * k);
  }
}

void pack_filter_rows(const float* weight, std::int64_t stride, std::int64_t n, std::int64_t k, std::int64_t part,
                      std::int64_t rows, float* out) {
  for (std::int64_t column = 0; column < n; column += tile_columns) {
    const std::int64_t count = smaller(tile_columns, n - column), width = round_up(count, lanes);
    pack_straight(weight + column, stride, count, rows, 1.0f, width, out + column * k + part * width);
  }
}

void pack_window_columns(const Windows& w, float* out) {
  const Runs runs(w);
  alignas(64) float gathered[most_window_part + lanes] = {};  // past k, only zeros are ever written
  for (std::int64_t row = 0; row < w.rows; row += tile_rows) {
    const std::int64_t rows = smaller(tile_rows, w.rows - row);
    Corners corners;
    find_corners(w, w.first + row, rows, corners);
    for (std::int64_t r = 0; r < rows; ++r) {
      gather(w, runs, corners, r, gathered);
      for (std::int64_t column = 0; column < w.k; column += tile_columns) {
        const std::int64_t width = round_up(smaller(tile_columns, w.k - column), lanes);
        float* const to = out + column * w.rows + (row + r) * width;
        for (std::int64_t i = 0; i < width; i += lanes) store(to + i, load(gathered + column + i));
      }
    }
  }
}

void pack_columns(const float* matrix, std::int64_t stride, std::int64_t rows, std::int64_t k, float* out) {
  const Strips strips(rows, tile_rows);
  for (std::int64_t strip = 0; strip < strips.count; ++strip) {
    const std::int64_t begin = strips.begin(strip), count = strips.rows(strip);
    pack_straight(matrix + begin, stride, count, k, 1.0f, count, out + begin * k);
  }
}

}  // namespace

const Conv2dKernels conv2d_kernels_table = {pack_windows, pack_filters, pack_filter_rows, pack_window_columns,
                                            pack_columns};

}  // namespace onelogit::ONELOGIT_SIMD
