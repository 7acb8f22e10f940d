#include "backend/cpu/conv2d_product.h"

#include <algorithm>

#include "backend/cpu/depthwise.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/rounding.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

// Rows of a block of windows, which stays in the second-level cache.
constexpr std::int64_t most_rows = 256;
// Multiply-adds below which another thread is not worth waking.
constexpr std::int64_t smallest_task = 1 << 19;
// Windows that are packed for all threads at once, in float32.
constexpr std::int64_t most_shared = std::int64_t{1} << 22;

// Floats of one group's packed filters.
std::int64_t packed_group_size(const Conv2dGeometry& g) {
  return round_up(g.group_filters(), gemm_kernels().lanes) * g.filter_size();
}

class Product {
 public:
  Product(const Conv2dGeometry& geometry, const float* x, const float* packed, const ConvolutionEnd& end, float* y,
          std::int64_t m)
      : g_(geometry), x_(x), packed_(packed), end_(end), y_(y), rows_(m * geometry.out_pixels()) {
    depth_ = g_.filter_size();
    // Cut inside a pixel at whole vectors.
    block_depth_ = round_up(divide_up(depth_, divide_up(depth_, most_window_part)), kernels_.lanes);
    depth_blocks_ = divide_up(depth_, block_depth_);
    tasks_ = std::clamp<std::int64_t>(rows_ * depth_ * g_.filters / smallest_task, 1, 4 * thread_count());
  }

  void run() const {
    const std::int64_t shared = g_.groups * packed_size(rows_);
    if (rows_ < most_rows * thread_count() && thread_count() > 1 && tasks_ > 1 && shared <= most_shared) {
      run_shared(scratch(Scratch::windows, shared));
    } else {
      run_by_rows();
    }
  }

 private:
  // Floats of `rows` packed windows of a group.
  std::int64_t packed_size(std::int64_t rows) const {
    return rows * depth_ + depth_blocks_ * divide_up(rows, kernels_.tile_rows) * window_strip_gap;
  }

  // Block `block` of the depth of some strips of `rows` windows from `first` on.
  void pack(std::int64_t group, std::int64_t block, std::int64_t first, std::int64_t rows, std::int64_t first_strip,
            std::int64_t end_strip, float* out) const {
    const std::int64_t begin = block * block_depth_;
    Windows windows = windows_of(g_, x_, group);
    windows.first = first;
    windows.rows = rows;
    windows.begin = begin;
    windows.k = std::min(block_depth_, depth_ - begin);
    windows.first_strip = first_strip;
    windows.end_strip = end_strip;
    conv2d_kernels().pack_windows(windows, out);
  }

  void multiply(std::int64_t group, std::int64_t block, std::int64_t first, std::int64_t rows, std::int64_t first_strip,
                std::int64_t end_strip, std::int64_t first_column, std::int64_t end_column,
                const float* windows) const {
    const std::int64_t begin = block * block_depth_, filter = group * g_.group_filters();
    const std::int64_t place = first * g_.filters + filter;
    const bool last = block + 1 == depth_blocks_;
    PackedProduct p{};
    p.a = windows;
    p.a_gap = window_strip_gap;
    p.rows = rows;
    p.first_strip = first_strip;
    p.end_strip = end_strip;
    p.b = packed_ + group * packed_group_size(g_);
    p.b_depth = depth_;
    p.b_begin = begin;
    p.columns = g_.group_filters();
    p.first_column = first_column;
    p.end_column = end_column;
    p.k = std::min(block_depth_, depth_ - begin);
    // The first block adds to the residual, the others to what is there.
    const float* const add = block == 0 ? end_.residual : y_;
    p.beta = add == nullptr ? 0.0f : 1.0f;
    p.add = add == nullptr ? nullptr : add + place;
    p.bias = last && end_.bias != nullptr ? end_.bias + filter : nullptr;
    p.relu = last && end_.relu;
    p.c = y_ + place;
    p.ldc = g_.filters;
    kernels_.multiply_packed(p);
  }

  // Many rows: each task packs and multiplies a block of them.
  void run_by_rows() const {
    std::int64_t blocks = divide_up(rows_, most_rows);
    if (blocks < tasks_) blocks = std::min(round_up(blocks, thread_count()), tasks_);
    const std::int64_t length = round_up(divide_up(rows_, blocks), kernels_.tile_rows);
    parallel_for_each(divide_up(rows_, length), [&](std::int64_t number) {
      const std::int64_t first = number * length, rows = std::min(length, rows_ - first);
      const std::int64_t strips = divide_up(rows, kernels_.tile_rows);
      float* const windows = scratch(Scratch::windows, length * block_depth_ + strips * window_strip_gap);
      for (std::int64_t group = 0; group < g_.groups; ++group)
        for (std::int64_t block = 0; block < depth_blocks_; ++block) {
          pack(group, block, first, rows, 0, strips, windows);
          multiply(group, block, first, rows, 0, strips, 0, g_.group_filters(), windows);
        }
    });
  }

  // Few rows: all of them are packed once, by all threads; then each task multiplies some with some filters.
  void run_shared(float* windows) const {
    const std::int64_t strips = divide_up(rows_, kernels_.tile_rows);
    const auto packed = [&](std::int64_t group, std::int64_t block) {
      return windows + group * packed_size(rows_) + block * (block_depth_ * rows_ + strips * window_strip_gap);
    };
    parallel_for(g_.groups * depth_blocks_ * strips, 1, 1, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t part = begin / strips, strip = begin % strips;
        const std::int64_t end_strip = std::min(strips, strip + end - begin);
        const std::int64_t group = part / depth_blocks_, block = part % depth_blocks_;
        pack(group, block, 0, rows_, strip, end_strip, packed(group, block));
        begin += end_strip - strip;
      }
    });
    const std::int64_t column_strips = divide_up(g_.group_filters(), kernels_.tile_columns);
    // Cut by filters first: each is then read by one thread only.
    const std::int64_t wanted = divide_up(tasks_, g_.groups);
    const std::int64_t strips_of_columns = divide_up(column_strips, std::min(wanted, column_strips));
    const std::int64_t column_tasks = divide_up(column_strips, strips_of_columns);
    const std::int64_t strips_of_rows = divide_up(strips, std::min(divide_up(wanted, column_tasks), strips));
    const std::int64_t row_tasks = divide_up(strips, strips_of_rows);
    parallel_for_each(g_.groups * column_tasks * row_tasks, [&](std::int64_t task) {
      const std::int64_t group = task / (column_tasks * row_tasks);
      const std::int64_t column = task / row_tasks % column_tasks * strips_of_columns * kernels_.tile_columns;
      const std::int64_t strip = task % row_tasks * strips_of_rows;
      const std::int64_t end_column = std::min(g_.group_filters(), column + strips_of_columns * kernels_.tile_columns);
      for (std::int64_t block = 0; block < depth_blocks_; ++block)
        multiply(group, block, 0, rows_, strip, std::min(strips, strip + strips_of_rows), column, end_column,
                 packed(group, block));
    });
  }

  const Conv2dGeometry& g_;
  const float* x_;
  const float* packed_;
  const ConvolutionEnd& end_;
  float* y_;
  std::int64_t rows_, depth_, block_depth_, depth_blocks_, tasks_;
  const GemmKernels& kernels_ = gemm_kernels();
};

}  // namespace

std::int64_t packed_filters_size(const Conv2dGeometry& geometry) {
  if (is_depthwise(geometry)) return geometry.filters * geometry.filter_size();
  return geometry.groups * packed_group_size(geometry);
}

void pack_filters(const Conv2dGeometry& geometry, const float* weight, float* packed) {
  if (is_depthwise(geometry))
    return pack_transposed_filters(
        geometry, weight, geometry, [&](std::int64_t y, std::int64_t x) { return y * geometry.kernel_width + x; },
        packed);
  const std::int64_t columns = gemm_kernels().tile_columns, n = geometry.group_filters();
  const std::int64_t strips = divide_up(n, columns), size = geometry.filter_size();
  parallel_for(geometry.groups * strips, row_grain(size * columns), 1, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) {
      const std::int64_t group = begin / strips, column = begin % strips * columns;
      conv2d_kernels().pack_filters(weight + group * n * size, n, size, column, std::min(n, column + columns),
                                    packed + group * packed_group_size(geometry));
    }
  });
}

void pack_transposed_filters(const Conv2dGeometry& geometry, const float* weight, const Conv2dGeometry& transposed,
                             FunctionRef<std::int64_t(std::int64_t y, std::int64_t x)> pixel, float* packed) {
  const std::int64_t filters = geometry.group_filters(), channels = geometry.group_channels();
  const std::int64_t size = geometry.filter_size(), pixels = transposed.kernel_pixels();
  if (is_depthwise(geometry)) {
    for (std::int64_t number = 0; number < pixels; ++number) {
      const std::int64_t from = pixel(number / transposed.kernel_width, number % transposed.kernel_width);
      for (std::int64_t channel = 0; channel < geometry.channels; ++channel)
        packed[number * geometry.channels + channel] = weight[channel * size + from];
    }
    return;
  }
  const auto body = [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; ++begin) {
      const std::int64_t group = begin / pixels, number = begin % pixels;
      const std::int64_t from = pixel(number / transposed.kernel_width, number % transposed.kernel_width);
      conv2d_kernels().pack_filter_rows(weight + group * filters * size + from * channels, size, channels,
                                        pixels * filters, number * filters, filters,
                                        packed + group * packed_group_size(transposed));
    }
  };
  parallel_for(geometry.groups * pixels, row_grain(filters * channels), 1, body);
}

Windows windows_of(const Conv2dGeometry& g, const float* x, std::int64_t group) {
  Windows windows{};
  windows.x = x + group * g.group_channels();
  windows.height = g.height;
  windows.width = g.width;
  windows.channels = g.channels;
  windows.group_channels = g.group_channels();
  windows.kernel_width = g.kernel_width;
  windows.stride_y = g.stride_y;
  windows.stride_x = g.stride_x;
  windows.top = g.top;
  windows.left = g.left;
  windows.out_height = g.out_height;
  windows.out_width = g.out_width;
  return windows;
}

void convolve(const Conv2dGeometry& geometry, const float* x, const float* packed, const ConvolutionEnd& end, float* y,
              std::int64_t m) {
  if (m == 0) return;
  if (is_depthwise(geometry)) return depthwise_forward(geometry, x, packed, end.bias, end.residual, end.relu, y, m);
  Product(geometry, x, packed, end, y, m).run();
}

}  // namespace onelogit
