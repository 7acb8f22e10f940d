// Layers in plain float64 loops, straight from their definitions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "layer/layer.h"

namespace onelogit::test {

using Doubles = std::vector<double>;

// One axis of windows: how many there are, and how far before the image the first one begins. `same` as TensorFlow's
// documentation has it: as many windows as there are strides, what is too much of the last one split in two halves.
struct ReferenceAxis {
  std::int64_t windows, before;
};
inline ReferenceAxis reference_axis(std::int64_t length, std::int64_t kernel, std::int64_t stride, bool same,
                                    std::int64_t before, std::int64_t after) {
  if (!same) return {(length + before + after - kernel) / stride + 1, before};
  const std::int64_t rest = length % stride == 0 ? stride : length % stride;
  return {(length + stride - 1) / stride, std::max<std::int64_t>(kernel - rest, 0) / 2};
}

// The windows of a layer over images.
struct ReferenceWindows {
  std::int64_t height, width, channels, kernel_height, kernel_width, stride_y, stride_x;
  ReferenceAxis y, x;

  ReferenceWindows(const LayerSpec& layer, const Shape& input)
      : height(input.at(0)),
        width(input.at(1)),
        channels(input.at(2)),
        kernel_height(layer.kernel[0]),
        kernel_width(layer.kernel[1]),
        stride_y(layer.stride[0]),
        stride_x(layer.stride[1]),
        y(reference_axis(height, kernel_height, stride_y, layer.padding.same, layer.padding.top, layer.padding.bottom)),
        x(reference_axis(width, kernel_width, stride_x, layer.padding.same, layer.padding.left, layer.padding.right)) {}

  std::int64_t outputs() const { return y.windows * x.windows; }

  // f(window, pixel, place of the pixel in the window) for all windows of m images, and their pixels in the image.
  template <class F>
  void each(std::int64_t m, F&& f) const {
    for (std::int64_t window = 0; window < m * outputs(); ++window) {
      const std::int64_t image = window / outputs(), top = window / x.windows % y.windows * stride_y - y.before,
                         left = window % x.windows * stride_x - x.before;
      for (std::int64_t place = 0; place < kernel_height * kernel_width; ++place) {
        const std::int64_t row = top + place / kernel_width, column = left + place % kernel_width;
        if (row >= 0 && row < height && column >= 0 && column < width)
          f(window, (image * height + row) * width + column, place);
      }
    }
  }
};

// weight: filters × kernel pixels × channels of a group.
inline Doubles reference_conv2d(const LayerSpec& layer, const Shape& input, const Doubles& x, std::int64_t m,
                                const Doubles& weight, const Doubles* bias) {
  const ReferenceWindows windows(layer, input);
  const std::int64_t group_channels = windows.channels / layer.groups, group_filters = layer.filters / layer.groups,
                     places = windows.kernel_height * windows.kernel_width;
  Doubles y(static_cast<std::size_t>(m * windows.outputs() * layer.filters));
  if (bias != nullptr)
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = (*bias)[i % bias->size()];
  windows.each(m, [&](std::int64_t window, std::int64_t pixel, std::int64_t place) {
    for (std::int64_t f = 0; f < layer.filters; ++f)
      for (std::int64_t c = 0; c < group_channels; ++c)
        y[window * layer.filters + f] += x[pixel * windows.channels + f / group_filters * group_channels + c] *
                                         weight[(f * places + place) * group_channels + c];
  });
  return y;
}

// `margin` becomes the smallest difference, if it is smaller, between the two largest values of a window.
inline Doubles reference_max_pool(const LayerSpec& layer, const Shape& input, const Doubles& x, std::int64_t m,
                                  double& margin) {
  const ReferenceWindows windows(layer, input);
  Doubles y(static_cast<std::size_t>(m * windows.outputs() * windows.channels),
            -std::numeric_limits<double>::infinity()),
      second = y;
  windows.each(m, [&](std::int64_t window, std::int64_t pixel, std::int64_t) {
    for (std::int64_t c = 0; c < windows.channels; ++c) {
      double& best = y[window * windows.channels + c];
      const double value = x[pixel * windows.channels + c];
      // Equal ones are equal by construction, zeros of relu as a rule: no rounding makes the other one the largest.
      if (value != best)
        second[window * windows.channels + c] = std::max(second[window * windows.channels + c], std::min(value, best));
      best = std::max(best, value);
    }
  });
  for (std::size_t i = 0; i < y.size(); ++i) margin = std::min(margin, y[i] - second[i]);
  return y;
}

inline Doubles reference_avg_pool(const LayerSpec& layer, const Shape& input, const Doubles& x, std::int64_t m) {
  const ReferenceWindows windows(layer, input);
  Doubles y(static_cast<std::size_t>(m * windows.outputs() * windows.channels));
  std::vector<std::int64_t> pixels(static_cast<std::size_t>(m * windows.outputs()));
  windows.each(m, [&](std::int64_t window, std::int64_t pixel, std::int64_t) {
    ++pixels[window];
    for (std::int64_t c = 0; c < windows.channels; ++c)
      y[window * windows.channels + c] += x[pixel * windows.channels + c];
  });
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] /= static_cast<double>(layer.count_padding ? windows.kernel_height * windows.kernel_width
                                                    : pixels[i / windows.channels]);
  return y;
}

inline Doubles reference_global_avg_pool(const Shape& input, const Doubles& x, std::int64_t m) {
  const std::int64_t pixels = input.at(0) * input.at(1), channels = input.at(2);
  Doubles y(static_cast<std::size_t>(m * channels));
  for (std::int64_t i = 0; i < m * pixels * channels; ++i)
    y[i / (pixels * channels) * channels + i % channels] += x[i] / static_cast<double>(pixels);
  return y;
}

inline Doubles reference_zero_padding(const Padding& padding, const Shape& input, const Doubles& x, std::int64_t m) {
  const std::int64_t height = input.at(0), width = input.at(1), channels = input.at(2);
  Doubles y;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t row = -padding.top; row < height + padding.bottom; ++row)
      for (std::int64_t column = -padding.left; column < width + padding.right; ++column)
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool inside = row >= 0 && row < height && column >= 0 && column < width;
          y.push_back(inside ? x[((i * height + row) * width + column) * channels + c] : 0.0);
        }
  return y;
}

inline Doubles reference_local_response_norm(const LocalResponseNorm& norm, std::int64_t channels, const Doubles& x) {
  Doubles y(x.size());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    double squares = 0;
    for (std::int64_t c = i % channels - norm.size / 2; c <= i % channels + (norm.size - 1) / 2; ++c)
      if (c >= 0 && c < channels) squares += x[i - i % channels + c] * x[i - i % channels + c];
    const double scale =
        static_cast<double>(norm.k) + static_cast<double>(norm.alpha) / static_cast<double>(norm.size) * squares;
    y[i] = x[i] * std::pow(scale, -static_cast<double>(norm.beta));
  }
  return y;
}

inline Doubles reference_dense(const LayerSpec& layer, const Doubles& x, std::int64_t m, const Doubles& weight,
                               const Doubles* bias) {
  const auto inputs = static_cast<std::int64_t>(x.size()) / m;
  Doubles y(static_cast<std::size_t>(m * layer.units));
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < layer.units; ++j) {
      double sum = bias != nullptr ? (*bias)[j] : 0.0;
      for (std::int64_t l = 0; l < inputs; ++l) sum += x[i * inputs + l] * weight[j * inputs + l];
      y[i * layer.units + j] = sum;
    }
  return y;
}

inline Doubles reference_softmax(Doubles x, std::int64_t n) {
  for (std::size_t row = 0; row < x.size(); row += n) {
    const double largest = *std::max_element(x.begin() + row, x.begin() + row + n);
    double sum = 0;
    for (std::int64_t j = 0; j < n; ++j) sum += x[row + j] = std::exp(x[row + j] - largest);
    for (std::int64_t j = 0; j < n; ++j) x[row + j] /= sum;
  }
  return x;
}

// Inputs side by side along the last axis; `columns` of each.
inline Doubles reference_concat(const std::vector<const Doubles*>& x, const std::vector<std::int64_t>& columns) {
  Doubles y;
  const std::int64_t rows = static_cast<std::int64_t>(x[0]->size()) / columns[0];
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::size_t i = 0; i < x.size(); ++i)
      y.insert(y.end(), x[i]->begin() + row * columns[i], x[i]->begin() + (row + 1) * columns[i]);
  return y;
}

}  // namespace onelogit::test
