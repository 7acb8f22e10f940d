// Operations on images as their definitions read, in float64, for tests. Images and weights as in backend/images.h.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/images.h"

namespace onelogit::test {

// Windows of `kernel` that move by `stride` over images with so much padding on each side.
struct WindowSpec {
  std::int64_t height, width, channels;
  std::int64_t kernel[2] = {1, 1}, stride[2] = {1, 1};
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
};

inline Pool2dGeometry pool_geometry(const WindowSpec& spec) {
  Pool2dGeometry g;
  g.height = spec.height;
  g.width = spec.width;
  g.channels = spec.channels;
  g.kernel_height = spec.kernel[0];
  g.kernel_width = spec.kernel[1];
  g.stride_y = spec.stride[0];
  g.stride_x = spec.stride[1];
  g.top = spec.top;
  g.left = spec.left;
  g.out_height = (spec.height + spec.top + spec.bottom - spec.kernel[0]) / spec.stride[0] + 1;
  g.out_width = (spec.width + spec.left + spec.right - spec.kernel[1]) / spec.stride[1] + 1;
  return g;
}

inline Conv2dGeometry conv2d_geometry(const WindowSpec& spec, std::int64_t filters, std::int64_t groups = 1) {
  Conv2dGeometry g;
  static_cast<Pool2dGeometry&>(g) = pool_geometry(spec);
  g.filters = filters;
  g.groups = groups;
  return g;
}

// Any that make sense: kernels within the padded image, padding below the kernel's size.
inline WindowSpec random_windows(std::mt19937& random, std::int64_t most_extent, std::int64_t channels) {
  const auto from = [&](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  WindowSpec spec{from(1, most_extent), from(1, most_extent), channels};
  const std::int64_t extent[2] = {spec.height, spec.width};
  std::int64_t padding[2][2];
  for (int axis = 0; axis < 2; ++axis) {
    spec.kernel[axis] = from(1, std::min<std::int64_t>(extent[axis] + 1, 5));
    spec.stride[axis] = from(1, 4);
    for (std::int64_t& side : padding[axis]) side = from(0, spec.kernel[axis] - 1);
    if (extent[axis] + padding[axis][0] + padding[axis][1] < spec.kernel[axis]) padding[axis][0] = 1;
  }
  spec.top = padding[0][0];
  spec.bottom = padding[0][1];
  spec.left = padding[1][0];
  spec.right = padding[1][1];
  return spec;
}

// body(output pixel, input pixel, place in the kernel), all images', for whatever of the windows lies in the images.
template <class Body>
void for_each_pair(const Pool2dGeometry& g, std::int64_t m, const Body& body) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t oy = 0; oy < g.out_height; ++oy)
      for (std::int64_t ox = 0; ox < g.out_width; ++ox)
        for (std::int64_t ky = 0; ky < g.kernel_height; ++ky)
          for (std::int64_t kx = 0; kx < g.kernel_width; ++kx) {
            const std::int64_t y = oy * g.stride_y + ky - g.top, x = ox * g.stride_x + kx - g.left;
            if (y < 0 || y >= g.height || x < 0 || x >= g.width) continue;
            body((i * g.out_height + oy) * g.out_width + ox, (i * g.height + y) * g.width + x,
                 ky * g.kernel_width + kx);
          }
}

// body(place in y, in x, in the weight): y += x · weight there.
template <class Body>
void for_each_term(const Conv2dGeometry& g, std::int64_t m, const Body& body) {
  for_each_pair(g, m, [&](std::int64_t out, std::int64_t in, std::int64_t place) {
    for (std::int64_t f = 0; f < g.filters; ++f)
      for (std::int64_t c = 0; c < g.group_channels(); ++c)
        body(static_cast<std::size_t>(out * g.filters + f),
             static_cast<std::size_t>(in * g.channels + f / g.group_filters() * g.group_channels() + c),
             static_cast<std::size_t>(f * g.filter_size() + place * g.group_channels() + c));
  });
}

struct Conv2dReference {
  std::vector<double> y, dx, dweight, dbias;  // y without bias

  Conv2dReference(const Conv2dGeometry& g, std::int64_t m, const std::vector<float>& x,
                  const std::vector<float>& weight, const std::vector<float>& dy)
      : y(dy.size()), dx(x.size()), dweight(weight.size()), dbias(static_cast<std::size_t>(g.filters)) {
    for_each_term(g, m, [&](std::size_t out, std::size_t in, std::size_t at) {
      y[out] += static_cast<double>(x[in]) * static_cast<double>(weight[at]);
      dx[in] += static_cast<double>(dy[out]) * static_cast<double>(weight[at]);
      dweight[at] += static_cast<double>(dy[out]) * static_cast<double>(x[in]);
    });
    for (std::size_t i = 0; i < dy.size(); ++i) dbias[i % dbias.size()] += static_cast<double>(dy[i]);
  }
};

struct PoolReference {
  std::vector<float> largest;
  std::vector<std::int32_t> places;
  std::vector<double> largest_dx, mean, mean_dx;

  PoolReference(const Pool2dGeometry& g, bool count_padding, std::int64_t m, const std::vector<float>& x,
                const std::vector<float>& dy)
      : largest(dy.size(), -std::numeric_limits<float>::infinity()),
        places(dy.size(), -1),
        largest_dx(x.size()),
        mean(dy.size()),
        mean_dx(x.size()) {
    std::vector<double> inside(dy.size());
    const auto for_each_number = [&](const auto& body) {
      for_each_pair(g, m, [&](std::int64_t out, std::int64_t in, std::int64_t) {
        for (std::int64_t c = 0; c < g.channels; ++c)
          body(static_cast<std::size_t>(out * g.channels + c), static_cast<std::size_t>(in * g.channels + c),
               static_cast<std::int32_t>(in % g.in_pixels()));
      });
    };
    for_each_number([&](std::size_t out, std::size_t in, std::int32_t place) {
      ++inside[out];
      mean[out] += static_cast<double>(x[in]);
      const bool first = places[out] < 0;
      if (first || x[in] > largest[out] || (std::isnan(x[in]) && !std::isnan(largest[out]))) {
        largest[out] = x[in];
        places[out] = place;
      }
    });
    if (count_padding) inside.assign(dy.size(), static_cast<double>(g.kernel_pixels()));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] /= inside[i];
    for_each_number([&](std::size_t out, std::size_t in, std::int32_t place) {
      mean_dx[in] += static_cast<double>(dy[out]) / inside[out];
      if (places[out] == place) largest_dx[in] += static_cast<double>(dy[out]);
    });
  }
};

struct LocalResponseNormReference {
  std::vector<double> y, scale, dx;

  LocalResponseNormReference(const LocalResponseNorm& norm, std::int64_t rows, std::int64_t channels,
                             const std::vector<float>& x, const std::vector<float>& dy)
      : y(x.size()), scale(x.size(), static_cast<double>(norm.k)), dx(x.size()) {
    const double share = static_cast<double>(norm.alpha) / static_cast<double>(norm.size),
                 beta = static_cast<double>(norm.beta);
    // body(number, a neighbour in its window)
    const auto for_each_neighbour = [&](const auto& body) {
      for (std::int64_t row = 0; row < rows; ++row)
        for (std::int64_t c = 0; c < channels; ++c)
          for (std::int64_t other = c - norm.size / 2; other < c - norm.size / 2 + norm.size; ++other)
            if (other >= 0 && other < channels)
              body(static_cast<std::size_t>(row * channels + c), static_cast<std::size_t>(row * channels + other));
    };
    for_each_neighbour(
        [&](std::size_t at, std::size_t other) { scale[at] += share * std::pow(static_cast<double>(x[other]), 2); });
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = static_cast<double>(x[i]) * std::pow(scale[i], -beta);
      dx[i] = static_cast<double>(dy[i]) * std::pow(scale[i], -beta);
    }
    // d scale_at / d x_other = 2 · share · x_other
    for_each_neighbour([&](std::size_t at, std::size_t other) {
      dx[other] -= static_cast<double>(dy[at]) * static_cast<double>(x[at]) * beta * std::pow(scale[at], -beta - 1) *
                   2 * share * static_cast<double>(x[other]);
    });
  }
};

}  // namespace onelogit::test
