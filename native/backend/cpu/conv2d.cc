// Convolutions as products of matrices: windows are gathered a tile at a time and multiplied with the filters.
#include <algorithm>
#include <vector>

#include "backend/cpu/blas.h"
#include "backend/cpu/conv2d_product.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/elementwise.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/scratch.h"
#include "backend/cpu/threads.h"
#include "backend/cpu/windows_matrix.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

// Windows that are gathered at once: 1 MiB or so, at least enough for a product.
std::int64_t tile_windows(const Conv2dGeometry& g) {
  return std::clamp<std::int64_t>((std::int64_t{1} << 18) / g.filter_size(), 32, 1024);
}

// The calling thread's memory for gathered windows.
float* window_memory(std::int64_t size) {
  thread_local std::vector<float> memory;
  if (memory.size() < static_cast<std::size_t>(size)) memory.resize(static_cast<std::size_t>(size));
  return memory.data();
}

class CpuConv2dInference final : public Conv2dInference {
 public:
  CpuConv2dInference(const Conv2dGeometry& geometry, const float* weight, const float* bias)
      : geometry_(geometry),
        filters_(cpu_backend(), static_cast<std::size_t>(packed_filters_size(geometry)) * sizeof(float)) {
    pack_filters(geometry, weight, filters_.as<float>());
    if (bias != nullptr) bias_.assign(bias, bias + geometry.filters);
  }

  void run(const float* x, const float* residual, bool relu, float* y, std::int64_t m) const override {
    multiply_windows(geometry_, x, filters_.as<float>(), {bias_.empty() ? nullptr : bias_.data(), residual, relu}, y,
                     m);
  }

 private:
  Conv2dGeometry geometry_;
  Buffer filters_;
  std::vector<float> bias_;
};

}  // namespace

void CpuBackend::conv2d_forward(const Conv2dGeometry& geometry, const float* x, const float* weight, const float* bias,
                                float* y, std::int64_t m) {
  float* const filters = scratch(Scratch::filters, packed_filters_size(geometry));
  pack_filters(geometry, weight, filters);
  multiply_windows(geometry, x, filters, {.bias = bias}, y, m);
}

void CpuBackend::conv2d_backward_input(const Conv2dGeometry& g, const float* dy, const float* weight, float* dx,
                                       std::int64_t m) {
  const std::int64_t depth = g.filter_size(), filters = g.group_filters(), most = tile_windows(g);
  const std::int64_t size = g.in_pixels() * g.channels;
  parallel_for(m, 1, 1, [&](std::int64_t begin, std::int64_t end) {
    std::fill(dx + begin * size, dx + end * size, 0.0f);
    float* const windows = window_memory(most * depth);
    for (std::int64_t first = begin * g.out_pixels(); first < end * g.out_pixels(); first += most) {
      const std::int64_t rows = std::min(most, end * g.out_pixels() - first);
      for (std::int64_t group = 0; group < g.groups; ++group) {
        blas_gemm({false, false, rows, depth, filters, 1.0f, dy + first * g.filters + group * filters, g.filters,
                   weight + group * filters * depth, depth, 0.0f, windows, depth});
        scatter_windows(g, windows, group, first, rows, dx);
      }
    }
  });
}

void CpuBackend::conv2d_backward_weight(const Conv2dGeometry& g, const float* x, const float* dy, float* dweight,
                                        float* dbias, std::int64_t m) {
  const std::int64_t depth = g.filter_size(), filters = g.group_filters(), most = tile_windows(g);
  const std::int64_t size = g.filters * depth, windows_in_all = m * g.out_pixels();
  // Every slice of the windows has a sum of its own; they are added in order.
  const std::int64_t slices =
      std::clamp<std::int64_t>(windows_in_all / (4 * most), 1, static_cast<std::int64_t>(thread_count()));
  const std::int64_t length = (windows_in_all + slices - 1) / slices;
  std::vector<float> parts(static_cast<std::size_t>((slices - 1) * size));
  std::fill(dweight, dweight + size, 0.0f);
  parallel_slices(static_cast<int>(slices), [&](int slice) {
    float* const sum = slice == 0 ? dweight : parts.data() + (slice - 1) * size;
    float* const windows = window_memory(most * depth);
    const std::int64_t end = std::min(windows_in_all, (slice + 1) * length);
    for (std::int64_t first = slice * length; first < end; first += most) {
      const std::int64_t rows = std::min(most, end - first);
      for (std::int64_t group = 0; group < g.groups; ++group) {
        gather_windows(g, x, group, first, rows, windows);
        blas_gemm({true, false, filters, depth, rows, 1.0f, dy + first * g.filters + group * filters, g.filters,
                   windows, depth, 1.0f, sum + group * filters * depth, depth});
      }
    }
  });
  parallel_for(size, elementwise_grain, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t slice = 1; slice < slices; ++slice)
      elementwise_kernels().add(parts.data() + (slice - 1) * size + begin, dweight + begin, dweight + begin,
                                end - begin);
  });
  if (dbias == nullptr) return;
  parallel_for(g.filters, row_grain(windows_in_all), 16, [&](std::int64_t begin, std::int64_t end) {
    reduction_kernels().column_sums(dy + begin, g.filters, dbias + begin, windows_in_all, end - begin);
  });
}

std::unique_ptr<Conv2dInference> CpuBackend::make_conv2d_inference(const Conv2dGeometry& geometry, const float* weight,
                                                                   const float* bias) {
  return std::make_unique<CpuConv2dInference>(geometry, weight, bias);
}

}  // namespace onelogit
