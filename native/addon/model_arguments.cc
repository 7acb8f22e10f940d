// Models, layers and preprocessing between JavaScript and C++.

#include <utility>

#include "addon/model.h"
#include "model/graph.h"

namespace onelogit::addon {
namespace {

Shape shape_from_javascript(const Napi::Value& value) {
  if (!value.IsArray())
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
                "Expected an array for inputShape but received something else");
  const Napi::Array array = value.As<Napi::Array>();
  Shape shape;
  for (std::uint32_t axis = 0; axis < array.Length(); ++axis) shape.push_back(array.Get(axis).ToNumber().Int64Value());
  return shape;
}

Initializer initializer_from_name(const std::string& name) {
  static constexpr std::pair<const char*, Initializer> known[] = {
      {"he-normal", Initializer::he_normal},
      {"he-uniform", Initializer::he_uniform},
      {"glorot-normal", Initializer::glorot_normal},
      {"glorot-uniform", Initializer::glorot_uniform},
      {"zeros", Initializer::zeros},
  };
  for (const auto& [text, initializer] : known)
    if (name == text) return initializer;
  throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected a known initializer but received '" + name + "'");
}

// [vertical, horizontal], if it is there.
void read_pair(const Napi::Value& value, std::int64_t (&pair)[2]) {
  if (!value.IsArray()) return;
  const Napi::Array array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < 2; ++i) pair[i] = array.Get(i).ToNumber().Int64Value();
}

// 'same', 'valid' or [top, bottom, left, right].
Padding padding_from_javascript(const Napi::Value& value) {
  Padding padding;
  if (value.IsString()) padding.same = value.ToString().Utf8Value() == "same";
  if (!value.IsArray()) return padding;
  const Napi::Array array = value.As<Napi::Array>();
  std::uint32_t i = 0;
  for (std::int64_t* side : {&padding.top, &padding.bottom, &padding.left, &padding.right})
    *side = array.Get(i++).ToNumber().Int64Value();
  return padding;
}

LayerSpec layer_from_javascript(const Napi::Object& object) {
  LayerSpec layer;
  layer.type = string_field(object, "type", "");
  layer.name = string_field(object, "name", "");
  layer.frozen = boolean_field(object, "frozen", layer.frozen);
  if (object.Get("inputs").IsArray()) {
    const Napi::Array inputs = object.Get("inputs").As<Napi::Array>();
    for (std::uint32_t i = 0; i < inputs.Length(); ++i) layer.inputs.push_back(inputs.Get(i).ToNumber().Int64Value());
  }
  layer.vocabulary = integer_field(object, "vocabulary", layer.vocabulary);
  layer.units = integer_field(object, layer.type == "embedding" ? "features" : "units", layer.units);
  layer.bias = boolean_field(object, "bias", layer.bias);
  const std::string initializer = string_field(object, "initializer", "");
  if (!initializer.empty()) layer.initializer = initializer_from_name(initializer);
  if (string_field(object, "storage", "float32") == "bfloat16") layer.storage = WeightType::bfloat16;
  layer.epsilon = static_cast<float>(number_field(object, "epsilon", static_cast<double>(layer.epsilon)));
  layer.momentum = static_cast<float>(number_field(object, "momentum", static_cast<double>(layer.momentum)));
  layer.rate = static_cast<float>(number_field(object, "rate", static_cast<double>(layer.rate)));
  layer.filters = integer_field(object, "filters", layer.filters);
  layer.groups = integer_field(object, "groups", layer.groups);
  read_pair(object.Get("kernel"), layer.kernel);
  read_pair(object.Get("stride"), layer.stride);
  layer.padding = padding_from_javascript(object.Get("padding"));
  layer.count_padding = boolean_field(object, "countPadding", layer.count_padding);
  LocalResponseNorm& norm = layer.local_response_norm;
  norm.size = integer_field(object, "size", norm.size);
  norm.alpha = static_cast<float>(number_field(object, "alpha", static_cast<double>(norm.alpha)));
  norm.beta = static_cast<float>(number_field(object, "beta", static_cast<double>(norm.beta)));
  norm.k = static_cast<float>(number_field(object, "k", static_cast<double>(norm.k)));
  return layer;
}

std::vector<float> float_list(const Napi::Value& value) {
  std::vector<float> list;
  if (!value.IsArray()) return list;
  const Napi::Array array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length(); ++i) list.push_back(array.Get(i).ToNumber().FloatValue());
  return list;
}

}  // namespace

Placement placement_from_javascript(const Napi::Object& object) {
  const std::string name = string_field(object, "precision", "float32");
  const std::optional<Precision> precision = precision_of_name(name);
  if (!precision)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_ARGUMENT",
                "Expected 'float32', 'tf32' or 'bfloat16' for precision but received '" + name.substr(0, 40) + "'");
  return {string_field(object, "device", "auto"), *precision};
}

ModelSpec model_spec_from_javascript(const Napi::Object& object) {
  ModelSpec spec;
  spec.input_shape = shape_from_javascript(object.Get("inputShape"));
  spec.seed = static_cast<std::uint64_t>(integer_field(object, "seed", 0));
  if (!object.Get("layers").IsArray())
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected an array for layers but received something else");
  const Napi::Array layers = object.Get("layers").As<Napi::Array>();
  for (std::uint32_t i = 0; i < layers.Length(); ++i)
    spec.layers.push_back(layer_from_javascript(layers.Get(i).ToObject()));
  return spec;
}

Preprocessing preprocessing_from_javascript(const Napi::Object& object) {
  Preprocessing preprocessing;
  preprocessing.scale = static_cast<float>(number_field(object, "scale", 1.0));
  preprocessing.mean = float_list(object.Get("mean"));
  preprocessing.standard_deviation = float_list(object.Get("standardDeviation"));
  if (preprocessing.mean.size() != preprocessing.standard_deviation.size())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected as many numbers for mean as for standardDeviation but received " +
                    std::to_string(preprocessing.mean.size()) + " and " +
                    std::to_string(preprocessing.standard_deviation.size()));
  return preprocessing;
}

std::vector<Shape> output_shapes(const ModelSpec& spec) {
  const Graph graph(spec);
  std::vector<Shape> shapes;
  shapes.reserve(spec.layers.size());
  for (std::size_t i = 0; i < spec.layers.size(); ++i) shapes.push_back(graph.shape(i + 1));
  return shapes;
}

Napi::Array shape_to_javascript(Napi::Env env, const Shape& shape) {
  const Napi::Array array = Napi::Array::New(env, shape.size());
  for (std::uint32_t axis = 0; axis < shape.size(); ++axis)
    array.Set(axis, Napi::Number::New(env, static_cast<double>(shape[axis])));
  return array;
}

Napi::Array shapes_to_javascript(Napi::Env env, const std::vector<Shape>& shapes) {
  const Napi::Array array = Napi::Array::New(env, shapes.size());
  for (std::uint32_t i = 0; i < shapes.size(); ++i) array.Set(i, shape_to_javascript(env, shapes[i]));
  return array;
}

Napi::Array tensors_to_javascript(Napi::Env env, const std::vector<NamedTensor>& tensors) {
  const Napi::Array array = Napi::Array::New(env, tensors.size());
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("name", tensors[i].name);
    object.Set("shape", shape_to_javascript(env, tensors[i].shape));
    object.Set("trainable", tensors[i].trainable);
    array.Set(i, object);
  }
  return array;
}

}  // namespace onelogit::addon
