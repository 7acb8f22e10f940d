// The gradient of a convolution's weight: dyᵀ (filters × windows) · windows (× filter size), whose depth are the output
// pixels of all images. Windows are packed straight from the images, a block of them at a time.

#include <algorithm>

#include "backend/cpu/conv2d_product.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/depthwise.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/gemm.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/rounding.h"
#include "backend/cpu/scratch.h"

namespace onelogit {
namespace {

// A block of dy (512 KiB) and one of windows (256 KiB) stay in the second-level cache.
constexpr std::int64_t most_filters = 512, most_windows = 256, most_columns = 256;
static_assert(most_columns <= most_window_part);
// Sums of parts of the images are kept apart as long as they are this small, in float32 all together.
constexpr std::int64_t most_apart = std::int64_t{1} << 20;
// Windows worth a sum of their own.
constexpr std::int64_t fewest_windows = 2 * most_windows;

// sum (group filters × filter size) = the product over windows [begin, end), for columns [first, last) alone.
void multiply_part(const Conv2dGeometry& g, const float* x, const float* dy, std::int64_t group, std::int64_t begin,
                   std::int64_t end, std::int64_t first, std::int64_t last, float* sum) {
  const GemmKernels& gemm = gemm_kernels();
  const std::int64_t a_size = round_up(most_filters * most_windows + window_strip_gap, 16);
  float* const a = scratch(Scratch::windows, a_size + most_columns * most_windows);
  float* const b = a + a_size;
  const std::int64_t size = g.filter_size(), filters = g.group_filters();
  // Blocks as equal as can be.
  const std::int64_t block_filters = divide_up(filters, divide_up(filters, most_filters));
  const std::int64_t block_windows = divide_up(end - begin, divide_up(end - begin, most_windows));
  for (std::int64_t filter = 0; filter < filters; filter += block_filters) {
    const std::int64_t rows = std::min(block_filters, filters - filter);
    for (std::int64_t window = begin; window < end; window += block_windows) {
      const std::int64_t k = std::min(block_windows, end - window);
      conv2d_kernels().pack_columns(dy + window * g.filters + group * filters + filter, g.filters, rows, k, a);
      for (std::int64_t column = first; column < last; column += most_columns) {
        Windows windows = windows_of(g, x, group);
        windows.first = window;
        windows.rows = k;
        windows.begin = column;
        windows.k = std::min(most_columns, last - column);
        conv2d_kernels().pack_window_columns(windows, b);
        PackedProduct p{};
        p.a = a;
        p.rows = rows;
        p.end_strip = divide_up(rows, gemm.tile_rows);
        p.b = b;
        p.b_depth = p.k = k;
        p.columns = p.end_column = windows.k;
        p.c = sum + filter * size + column;
        p.add = p.c;
        p.beta = window == begin ? 0.0f : 1.0f;
        p.ldc = size;
        gemm.multiply_packed(p);
      }
    }
  }
}

// dweight, for m > 0.
void multiply_all(const Conv2dGeometry& g, const float* x, const float* dy, float* dweight, std::int64_t m) {
  const std::int64_t windows = m * g.out_pixels(), size = g.filters * g.filter_size();
  // Each thread takes a part of the windows into a sum of its own, added in order afterwards. Where sums are too large
  // for that, columns of the sum are cut as well, finely, for threads that are held up.
  const std::int64_t threads = thread_count();
  const std::int64_t wanted = std::clamp<std::int64_t>(most_apart / size, 1, threads);
  std::int64_t parts = std::clamp<std::int64_t>(windows / fewest_windows, 1, wanted);
  const std::int64_t length = divide_up(windows, parts);
  parts = divide_up(windows, length);
  const std::int64_t columns_wanted = parts == threads ? g.filter_size() : divide_up(g.filter_size(), 4 * threads);
  const std::int64_t columns = round_up(columns_wanted, gemm_kernels().tile_columns);
  const std::int64_t column_parts = divide_up(g.filter_size(), columns);
  float* const apart = scratch(Scratch::gradient, (parts - 1) * size);
  const std::int64_t tasks = parts * g.groups * column_parts;
  parallel_for_each(tasks, [&](std::int64_t task) {
    const std::int64_t part = task / (g.groups * column_parts), group = task / column_parts % g.groups;
    const std::int64_t first = task % column_parts * columns;
    float* const sum = part == 0 ? dweight : apart + (part - 1) * size;
    multiply_part(g, x, dy, group, part * length, std::min(windows, (part + 1) * length), first,
                  std::min(g.filter_size(), first + columns), sum + group * g.group_filters() * g.filter_size());
  });
  parallel_for(size, elementwise_grain, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = 1; part < parts; ++part)
      elementwise_kernels().add(apart + (part - 1) * size + begin, dweight + begin, dweight + begin, end - begin);
  });
}

// dbias = column sums of dy (rows × filters): of blocks first, so that each is read once, front to back.
void sum_columns(const float* dy, std::int64_t rows, std::int64_t filters, float* dbias) {
  constexpr std::int64_t block = 256;
  const std::int64_t blocks = divide_up(rows, block);
  float* const sums = scratch(Scratch::gradient, blocks * filters);
  parallel_for(blocks, row_grain(block * filters), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      reduction_kernels().column_sums(dy + i * block * filters, filters, sums + i * filters,
                                      std::min(block, rows - i * block), filters);
  });
  reduction_kernels().column_sums(sums, filters, dbias, blocks, filters);
}

}  // namespace

void CpuBackend::conv2d_backward_weight(const Conv2dGeometry& g, const float* x, const float* dy, float* dweight,
                                        float* dbias, std::int64_t m) {
  if (m == 0) {
    zero(dweight, static_cast<std::size_t>(g.filters * g.filter_size()) * sizeof(float));
  } else if (is_depthwise(g)) {
    depthwise_backward_weight(g, x, dy, dweight, m);
  } else {
    multiply_all(g, x, dy, dweight, m);
  }
  if (dbias != nullptr) sum_columns(dy, m * g.out_pixels(), g.filters, dbias);
}

}  // namespace onelogit
