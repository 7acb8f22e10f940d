#include "backend/cpu/kernels/depthwise.h"

#include "backend/cpu/kernels/simd.h"

namespace onelogit::ONELOGIT_SIMD {
namespace {

ONELOGIT_INLINE std::int64_t clamp(std::int64_t i, std::int64_t low, std::int64_t high) {
  return i < low ? low : i < high ? i : high;
}

template <int n>
struct Vectors {
  static constexpr int count = n;
};

// Calls body(first channel, as many vectors): blocks of four vectors, so that sums do not wait for each other, then
// single ones. What is left of a vector is for load_channels and store_channels.
template <class Body>
ONELOGIT_INLINE void for_each_block(std::int64_t channels, Body&& body) {
  std::int64_t channel = 0;
  for (; channel + 4 * lanes <= channels; channel += 4 * lanes) body(channel, Vectors<4>{});
  for (; channel < channels; channel += lanes) body(channel, Vectors<1>{});
}

ONELOGIT_INLINE VectorF load_channels(const float* p, std::int64_t left) {
  return left >= lanes ? load(p) : load_partial(p, left, 0.0f);
}
ONELOGIT_INLINE void store_channels(float* p, VectorF v, std::int64_t left) {
  if (left >= lanes) {
    store(p, v);
  } else {
    store_partial(p, v, left);
  }
}

void forward(const DepthwiseShape& s, const float* x, const float* filters, const float* bias, const float* residual,
             bool relu, float* y, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t corner_y = row % s.out_height * s.stride_y - s.top, image = row / s.out_height;
    // The window's pixels inside the image.
    const std::int64_t first_y = clamp(-corner_y, 0, s.kernel_height);
    const std::int64_t last_y = clamp(s.height - corner_y, first_y, s.kernel_height);
    for (std::int64_t out_x = 0; out_x < s.out_width; ++out_x) {
      const std::int64_t corner_x = out_x * s.stride_x - s.left;
      const std::int64_t first_x = clamp(-corner_x, 0, s.kernel_width);
      const std::int64_t last_x = clamp(s.width - corner_x, first_x, s.kernel_width);
      const std::int64_t to = (row * s.out_width + out_x) * s.channels;
      for_each_block(
          s.channels, [&](std::int64_t channel, auto block) __attribute__((always_inline)) {
            constexpr int vectors = decltype(block)::count;
            const std::int64_t left = s.channels - channel;
            VectorF sum[vectors] = {};
            for (std::int64_t ky = first_y; ky < last_y; ++ky)
              for (std::int64_t kx = first_x; kx < last_x; ++kx) {
                const float* const pixel =
                    x + (((image * s.height + corner_y + ky) * s.width + corner_x + kx) * s.channels + channel);
                const float* const weight = filters + (ky * s.kernel_width + kx) * s.channels + channel;
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v)
                  sum[v] += load_channels(pixel + v * lanes, left) * load_channels(weight + v * lanes, left);
              }
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
              const std::int64_t place = to + channel + v * lanes;
              if (bias != nullptr) sum[v] += load_channels(bias + channel + v * lanes, left);
              if (residual != nullptr) sum[v] += load_channels(residual + place, left);
              if (relu) sum[v] = max(VectorF{}, sum[v]);
              store_channels(y + place, sum[v], left);
            }
          });
    }
  }
}

void backward_weight(const DepthwiseShape& s, const float* x, const float* dy, float* sums, std::int64_t begin,
                     std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t corner_y = row % s.out_height * s.stride_y - s.top, image = row / s.out_height;
    const std::int64_t first_y = clamp(-corner_y, 0, s.kernel_height);
    const std::int64_t last_y = clamp(s.height - corner_y, first_y, s.kernel_height);
    for (std::int64_t ky = first_y; ky < last_y; ++ky)
      for (std::int64_t kx = 0; kx < s.kernel_width; ++kx) {
        // Outputs whose windows have this pixel inside the image: 0 ≤ out_x · stride + offset < width.
        const std::int64_t offset = kx - s.left, past = s.width - offset + s.stride_x - 1;
        const std::int64_t first = offset >= 0 ? 0 : (-offset + s.stride_x - 1) / s.stride_x;
        const std::int64_t last = past <= 0 ? 0 : clamp(past / s.stride_x, 0, s.out_width);
        const std::int64_t from = ((image * s.height + corner_y + ky) * s.width + offset) * s.channels;
        for_each_block(
            s.channels, [&](std::int64_t channel, auto block) __attribute__((always_inline)) {
              constexpr int vectors = decltype(block)::count;
              const std::int64_t left = s.channels - channel;
              VectorF sum[vectors] = {};
              for (std::int64_t out_x = first; out_x < last; ++out_x) {
                const float* const pixel = x + (from + out_x * s.stride_x * s.channels + channel);
                const float* const gradient = dy + (row * s.out_width + out_x) * s.channels + channel;
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v)
                  sum[v] += load_channels(pixel + v * lanes, left) * load_channels(gradient + v * lanes, left);
              }
              float* const to = sums + (ky * s.kernel_width + kx) * s.channels + channel;
#pragma GCC unroll 4
              for (int v = 0; v < vectors; ++v)
                store_channels(to + v * lanes, load_channels(to + v * lanes, left) + sum[v], left);
            });
      }
  }
}

}  // namespace

const DepthwiseKernels depthwise_kernels_table = {forward, backward_weight};

}  // namespace onelogit::ONELOGIT_SIMD
