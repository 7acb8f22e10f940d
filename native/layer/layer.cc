#include "layer/layer.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "layer/layers.h"

namespace onelogit {
namespace {

// Numbers per example or per weight matrix: far beyond any memory, far below where sizes in bytes overflow.
constexpr std::int64_t largest_size = std::int64_t{1} << 48;

[[noreturn]] void reject(const std::string& expected, const std::string& what, const std::string& received) {
  throw Error(ErrorKind::range, "ERR_ONELOGIT_LAYER",
              "Expected " + expected + " for " + what + " but received " + received);
}

void check_shape(const Shape& shape) {
  std::int64_t size = 1;
  if (shape.empty()) reject("at least one axis", "the shape of an example", "[]");
  for (const std::int64_t axis : shape) {
    if (axis < 1) reject("axes of at least 1", "the shape of an example", describe_shape(shape));
    if (size > largest_size / axis) reject("at most 2^48 numbers", "the shape of an example", describe_shape(shape));
    size *= axis;
  }
}

void check_dense(const LayerSpec& spec, const Shape& input_shape) {
  if (spec.units < 1) reject("an integer of at least 1", "units of dense", std::to_string(spec.units));
  if (spec.units > largest_size / shape_size(input_shape))
    reject("at most 2^48 weights", "dense",
           std::to_string(spec.units) + " units over " + std::to_string(shape_size(input_shape)) + " inputs");
}

void check_embedding(const LayerSpec& spec, const Shape& input_shape) {
  constexpr std::int64_t most = std::int64_t{1} << 31;
  if (spec.vocabulary < 1 || spec.vocabulary > most)
    reject("an integer from 1 to 2^31", "vocabulary of embedding", std::to_string(spec.vocabulary));
  if (spec.units < 1) reject("an integer of at least 1", "features of embedding", std::to_string(spec.units));
  if (spec.units > largest_size / std::max(spec.vocabulary, shape_size(input_shape)))
    reject("at most 2^48 numbers", "embedding",
           std::to_string(spec.vocabulary) + " rows of " + std::to_string(spec.units));
}

void check_batch_norm(const LayerSpec& spec) {
  if (!(spec.epsilon > 0.0f) || !std::isfinite(spec.epsilon))
    reject("a finite number above 0", "epsilon of batchNorm", std::to_string(spec.epsilon));
  if (!(spec.momentum >= 0.0f && spec.momentum <= 1.0f))
    reject("a number from 0 to 1", "momentum of batchNorm", std::to_string(spec.momentum));
}

void check_dropout(const LayerSpec& spec) {
  if (!(spec.rate >= 0.0f && spec.rate < 1.0f))
    reject("a number from 0 to below 1", "rate of dropout", std::to_string(spec.rate));
}

}  // namespace

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
  if (spec.type == "relu") return make_relu(input_shape);
  if (spec.type == "flatten") return make_flatten(input_shape);
  if (spec.type == "softmax") return make_softmax(input_shape);
  reject("one of dense, batchNorm, relu, dropout, flatten, softmax, embedding", "the type of a layer",
         "'" + spec.type + "'");
}

}  // namespace onelogit
