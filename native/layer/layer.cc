#include "layer/layer.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "layer/layers.h"
#include "layer/reject.h"
#include "layer/windows.h"

namespace onelogit {
namespace {

// Numbers per example or per weight matrix: far beyond any memory, far below where sizes in bytes overflow.
constexpr std::int64_t largest_size = std::int64_t{1} << 48;

void check_shape(const Shape& shape) {
  std::int64_t size = 1;
  if (shape.empty()) reject_layer("at least one axis", "the shape of an example", "[]");
  for (const std::int64_t axis : shape) {
    if (axis < 1) reject_layer("axes of at least 1", "the shape of an example", describe_shape(shape));
    if (size > largest_size / axis)
      reject_layer("at most 2^48 numbers", "the shape of an example", describe_shape(shape));
    size *= axis;
  }
}

void check_dense(const LayerSpec& spec, const Shape& input_shape) {
  if (spec.units < 1) reject_layer("an integer of at least 1", "units of dense", std::to_string(spec.units));
  if (spec.units > largest_size / shape_size(input_shape))
    reject_layer("at most 2^48 weights", "dense",
                 std::to_string(spec.units) + " units over " + std::to_string(shape_size(input_shape)) + " inputs");
}

void check_embedding(const LayerSpec& spec, const Shape& input_shape) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (spec.vocabulary < 1 || spec.vocabulary > most)
    reject_layer("an integer from 1 to 2^31", "vocabulary of embedding", std::to_string(spec.vocabulary));
  if (spec.units < 1) reject_layer("an integer of at least 1", "features of embedding", std::to_string(spec.units));
  if (spec.units > largest_size / std::max(spec.vocabulary, shape_size(input_shape)))
    reject_layer("at most 2^48 numbers", "embedding",
                 std::to_string(spec.vocabulary) + " rows of " + std::to_string(spec.units));
}

void check_batch_norm(const LayerSpec& spec) {
  if (!(spec.epsilon > 0.0f) || !std::isfinite(spec.epsilon))
    reject_layer("a finite number above 0", "epsilon of batchNorm", std::to_string(spec.epsilon));
  if (!(spec.momentum >= 0.0f && spec.momentum <= 1.0f))
    reject_layer("a number from 0 to 1", "momentum of batchNorm", std::to_string(spec.momentum));
}

void check_dropout(const LayerSpec& spec) {
  if (!(spec.rate >= 0.0f && spec.rate < 1.0f))
    reject_layer("a number from 0 to below 1", "rate of dropout", std::to_string(spec.rate));
}

void check_conv2d(const LayerSpec& spec, const Shape& input_shape) {
  check_image(spec, input_shape);
  const std::int64_t channels = input_shape[2];
  if (spec.filters < 1) reject_layer("an integer of at least 1", "filters of conv2d", std::to_string(spec.filters));
  if (spec.groups < 1 || channels % spec.groups != 0 || spec.filters % spec.groups != 0)
    reject_layer(
        "a divisor of its " + std::to_string(channels) + " channels and " + std::to_string(spec.filters) + " filters",
        "groups of conv2d", std::to_string(spec.groups));
  const Pool2dGeometry windows = window_geometry(spec, input_shape);
  const std::int64_t most = largest_size / spec.filters;
  if (windows.kernel_pixels() > most / channels || windows.out_pixels() > most)
    reject_layer("at most 2^48 numbers", "conv2d",
                 std::to_string(spec.filters) + " filters of " + std::to_string(windows.kernel_height) + " × " +
                     std::to_string(windows.kernel_width) + " over " + describe_shape(input_shape));
}

void check_zero_padding(const LayerSpec& spec, const Shape& input_shape) {
  check_image(spec, input_shape);
  constexpr std::int64_t most = std::int64_t{1} << 20;
  const Padding& padding = spec.padding;
  for (const std::int64_t pixels : {padding.top, padding.bottom, padding.left, padding.right})
    if (pixels < 0 || pixels > most)
      reject_layer("an integer from 0 to 2^20", "padding of zeroPadding", std::to_string(pixels));
  if (padding.same) reject_layer("counts of pixels", "padding of zeroPadding", "'same'");
  if (input_shape[0] > most || input_shape[1] > most)
    reject_layer("at most 2^20 pixels", "the extent of zeroPadding", describe_shape(input_shape));
}

void check_local_response_norm(const LocalResponseNorm& norm) {
  const std::string what = " of localResponseNorm";
  if (norm.size < 1 || norm.size > 1 << 20)
    reject_layer("an integer from 1 to 2^20", "size" + what, std::to_string(norm.size));
  if (!(norm.alpha >= 0.0f) || !std::isfinite(norm.alpha))
    reject_layer("a finite number of at least 0", "alpha" + what, std::to_string(norm.alpha));
  if (!(norm.beta >= 0.0f) || !std::isfinite(norm.beta))
    reject_layer("a finite number of at least 0", "beta" + what, std::to_string(norm.beta));
  if (!(norm.k > 0.0f) || !std::isfinite(norm.k))
    reject_layer("a finite number above 0", "k" + what, std::to_string(norm.k));
}

void check_joined(const LayerSpec& spec, const std::vector<Shape>& input_shapes) {
  if (input_shapes.size() < 2) reject_layer("two or more inputs", spec.type, std::to_string(input_shapes.size()));
  const bool whole = spec.type == "add";
  for (const Shape& shape : input_shapes) {
    const Shape& first = input_shapes.front();
    const bool fits =
        shape.size() == first.size() && std::equal(shape.begin(), shape.end() - (whole ? 0 : 1), first.begin());
    if (!fits)
      reject_layer(whole ? "inputs of one shape" : "inputs that differ in the last axis only", spec.type,
                   describe_shape(first) + " and " + describe_shape(shape));
  }
}

// A layer may be wide, and an example of it no longer fit numbers: checked as the input of a next layer is.
std::unique_ptr<Layer> checked(std::unique_ptr<Layer> layer) {
  check_shape(layer->output_shape());
  return layer;
}

}  // namespace

void reject_layer(const std::string& expected, const std::string& what, const std::string& received) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_LAYER",
              "Expected " + expected + " for " + what + " but received " + received);
}

void JoiningLayer::forward(const Pass&, const LayerTensors&, const float*, float*, float*) const {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "Expected join for a layer of several inputs");
}
void JoiningLayer::backward(const Pass&, const LayerTensors&, const float*, const float*, const float*, float*,
                            const float*) const {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_INTERNAL", "Expected split for a layer of several inputs");
}

std::int64_t shape_size(const Shape& shape) {
  std::int64_t size = 1;
  for (const std::int64_t axis : shape) size *= axis;
  return size;
}

std::string describe_shape(const Shape& shape) {
  std::string text = "[";
  for (const std::int64_t axis : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(axis);
  }
  return text + "]";
}

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const std::vector<Shape>& input_shapes) {
  if (spec.type == "add" || spec.type == "concat") {
    for (const Shape& shape : input_shapes) check_shape(shape);
    check_joined(spec, input_shapes);
    return checked(spec.type == "add" ? make_add(input_shapes) : make_concat(input_shapes));
  }
  if (input_shapes.size() != 1) reject_layer("one input", spec.type, std::to_string(input_shapes.size()));
  return make_layer(spec, input_shapes.front());
}

std::unique_ptr<Layer> make_layer(const LayerSpec& spec, const Shape& input_shape) {
  check_shape(input_shape);
  if (spec.type == "dense") {
    check_dense(spec, input_shape);
    return make_dense(spec, input_shape);
  }
  if (spec.type == "embedding") {
    check_embedding(spec, input_shape);
    return make_embedding(spec, input_shape);
  }
  if (spec.type == "batchNorm") {
    check_batch_norm(spec);
    return make_batch_norm(spec, input_shape);
  }
  if (spec.type == "dropout") {
    check_dropout(spec);
    return make_dropout(spec, input_shape);
  }
  if (spec.type == "conv2d") {
    check_conv2d(spec, input_shape);
    return checked(make_conv2d(spec, input_shape));
  }
  if (spec.type == "zeroPadding") {
    check_zero_padding(spec, input_shape);
    return checked(make_zero_padding(spec, input_shape));
  }
  if (spec.type == "localResponseNorm") {
    check_local_response_norm(spec.local_response_norm);
    return make_local_response_norm(spec, input_shape);
  }
  if (spec.type == "maxPool") return make_max_pool(spec, input_shape);
  if (spec.type == "avgPool") return make_avg_pool(spec, input_shape);
  if (spec.type == "globalAvgPool") return make_global_avg_pool(spec, input_shape);
  if (spec.type == "relu") return make_relu(input_shape);
  if (spec.type == "flatten") return make_flatten(input_shape);
  if (spec.type == "softmax") return make_softmax(input_shape);
  if (spec.type == "add" || spec.type == "concat") return make_layer(spec, std::vector<Shape>{input_shape});
  reject_layer(
      "one of dense, conv2d, batchNorm, relu, maxPool, avgPool, globalAvgPool, dropout, flatten, zeroPadding, "
      "localResponseNorm, add, concat, softmax, embedding",
      "the type of a layer", "'" + spec.type + "'");
}

}  // namespace onelogit
