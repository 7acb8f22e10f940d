#include "addon/scorer.h"

#include <algorithm>
#include <cstring>

namespace onelogit::addon {

// The features of one example and the weights they were made with. Belongs to the function that answers from it.
struct BoundFeatures {
  BoundFeatures(const std::shared_ptr<Scorer>& owner, std::shared_ptr<const ClassifierWeights> made_with,
                std::vector<float> values)
      : scorer(owner), weights(std::move(made_with)), matrix(&weights->matrix()), features(std::move(values)) {
    next = scorer->bound;
    if (next != nullptr) next->previous = this;
    scorer->bound = this;
  }
  BoundFeatures(const BoundFeatures&) = delete;
  BoundFeatures& operator=(const BoundFeatures&) = delete;
  ~BoundFeatures() {
    (previous == nullptr ? scorer->bound : previous->next) = next;
    if (next != nullptr) next->previous = previous;
  }

  std::shared_ptr<Scorer> scorer;
  std::shared_ptr<const ClassifierWeights> weights;
  const ClassMatrix* matrix;  // null once the classifier was disposed of
  std::vector<float> features;
  BoundFeatures *previous = nullptr, *next = nullptr;
};

Scorer::Scorer(std::shared_ptr<const ClassifierWeights> scored)
    : weights(std::move(scored)),
      trunk(&weights->trunk()),
      matrix(&weights->matrix()),
      features(static_cast<std::size_t>(trunk->feature_size())) {
  // The buffers of a pass are made now.
  const std::vector<std::byte> example(static_cast<std::size_t>(trunk->input_size()) * 4);
  trunk->features(example.data(), ExampleType::float32, 1, scratch, features.data());
}

void Scorer::dispose() {
  weights.reset();
  trunk = nullptr;
  matrix = nullptr;
  scratch = Trunk::Scratch();
  features = {};
  for (BoundFeatures* each = bound; each != nullptr; each = each->next) {
    each->matrix = nullptr;
    each->weights.reset();
    each->features = {};
  }
}

std::int64_t class_id(napi_env env, napi_value value, std::int64_t classes) {
  double id = 0;
  if (napi_get_value_double(env, value, &id) != napi_ok) return -1;
  if (!(id >= 0 && id < static_cast<double>(classes))) return -1;  // NaN too
  const auto c = static_cast<std::int64_t>(id);
  return static_cast<double>(c) == id ? c : -1;
}

bool example_view(napi_env env, napi_value value, ExampleView& view) {
  napi_typedarray_type type;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &view.length, &data, nullptr, nullptr) != napi_ok) return false;
  view.data = data;
  switch (type) {
    case napi_float32_array:
      view.type = ExampleType::float32;
      return true;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      view.type = ExampleType::uint8;
      return true;
    case napi_int32_array:
      view.type = ExampleType::int32;
      return true;
    default:
      return false;
  }
}

bool score_examples(const ClassifierWeights& weights, const ExampleView& examples, std::int64_t m, std::int64_t c,
                    float* out, const std::atomic<bool>* cancelled) {
  const Trunk& trunk = weights.trunk();
  const std::int64_t d = trunk.feature_size(), row = trunk.input_size();
  if (trunk.is_identity() && examples.type == ExampleType::float32) {
    weights.matrix().score_batch(static_cast<const float*>(examples.data), m, c, out);
    return true;
  }
  const std::int64_t rows = std::min(m, trunk.rows_at_once());
  Trunk::Scratch scratch;
  std::vector<float> features(static_cast<std::size_t>(rows * d));
  for (std::int64_t first = 0; first < m; first += rows) {
    const std::int64_t count = std::min(rows, m - first);
    const auto* chunk = static_cast<const std::byte*>(examples.data) +
                        static_cast<std::size_t>(first * row) * element_bytes(examples.type);
    if (!trunk.features(chunk, examples.type, count, scratch, features.data(), cancelled)) return false;
    weights.matrix().score_batch(features.data(), count, c, out + first);
  }
  return true;
}

namespace {

bool typed_array(napi_env env, napi_value value, napi_typedarray_type wanted, void*& data, std::size_t& length) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok && type == wanted;
}

napi_value number(napi_env env, float value) {
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(value), &result);
  return result;
}
napi_value yes(napi_env env) {
  napi_value result = nullptr;
  napi_get_boolean(env, true, &result);
  return result;
}

// Arguments and data of a call. No exception leaves: it becomes JavaScript's.
template <std::size_t n, class Data, class Body>
napi_value called(napi_env env, napi_callback_info info, Body body) noexcept {
  std::size_t count = n;
  napi_value arguments[n];
  void* data = nullptr;
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, &data) != napi_ok) return nullptr;
  try {
    return body(*static_cast<Data*>(data), arguments);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::exception& error) {
    to_javascript(Napi::Env(env), error).ThrowAsJavaScriptException();
  }
  return nullptr;
}

// The features of one example: its own memory if the model has nothing before its last layer.
const float* features_of(Scorer& scorer, const ExampleView& view) {
  if (view.length != static_cast<std::size_t>(scorer.trunk->input_size())) return nullptr;
  if (scorer.trunk->is_identity() && view.type == ExampleType::float32) return static_cast<const float*>(view.data);
  scorer.trunk->features(view.data, view.type, 1, scorer.scratch, scorer.features.data());
  return scorer.features.data();
}
const float* features_of(napi_env env, Scorer& scorer, napi_value input) {
  ExampleView view;
  return example_view(env, input, view) ? features_of(scorer, view) : nullptr;
}

napi_value score(napi_env env, napi_callback_info info) {
  return called<2, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (scorer.matrix == nullptr) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    if (c < 0) return nullptr;
    const float* features = features_of(env, scorer, arguments[0]);
    return features == nullptr ? nullptr : number(env, scorer.matrix->score(features, c));
  });
}

// The ids of an Int32Array, checked, and the memory of as long a Float32Array.
bool many_arguments(napi_env env, Scorer& scorer, const ClassMatrix& matrix, napi_value ids, napi_value out,
                    float*& to) {
  void *id_data = nullptr, *out_data = nullptr;
  std::size_t count = 0, out_length = 0;
  if (!typed_array(env, ids, napi_int32_array, id_data, count)) return false;
  if (!typed_array(env, out, napi_float32_array, out_data, out_length) || out_length != count) return false;
  scorer.ids.resize(count);
  if (count > 0) std::memcpy(scorer.ids.data(), id_data, count * sizeof(std::int32_t));
  for (const std::int32_t id : scorer.ids)
    if (id < 0 || id >= matrix.classes()) return false;
  to = static_cast<float*>(out_data);
  return true;
}

napi_value score_many(napi_env env, napi_callback_info info) {
  return called<3, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    float* out = nullptr;
    if (scorer.matrix == nullptr || !many_arguments(env, scorer, *scorer.matrix, arguments[1], arguments[2], out))
      return nullptr;
    const float* features = features_of(env, scorer, arguments[0]);
    if (features == nullptr) return nullptr;
    scorer.matrix->score_many(features, scorer.ids.data(), static_cast<std::int64_t>(scorer.ids.size()), out);
    return yes(env);
  });
}

napi_value score_batch(napi_env env, napi_callback_info info) {
  return called<3, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (scorer.matrix == nullptr) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    ExampleView view;
    void* out = nullptr;
    std::size_t m = 0;
    if (c < 0 || !example_view(env, arguments[0], view) || !typed_array(env, arguments[2], napi_float32_array, out, m))
      return nullptr;
    const auto row = static_cast<std::size_t>(scorer.trunk->input_size());
    if (view.length % row != 0 || view.length / row != m) return nullptr;
    score_examples(*scorer.weights, view, static_cast<std::int64_t>(m), c, static_cast<float*>(out), nullptr);
    return yes(env);
  });
}

napi_value bind(napi_env env, napi_callback_info info) {
  // The callback data of every function here is the Scorer; this one needs the pointer that owns it.
  return called<1, std::shared_ptr<Scorer>>(
      env, info, [env](std::shared_ptr<Scorer>& scorer, napi_value* arguments) -> napi_value {
        if (scorer->matrix == nullptr) return nullptr;
        const float* features = features_of(env, *scorer, arguments[0]);
        if (features == nullptr) return nullptr;
        return bound_function(env, scorer, scorer->weights, {features, features + scorer->trunk->feature_size()});
      });
}

napi_value score_features(napi_env env, napi_callback_info info) {
  return called<2, BoundFeatures>(env, info, [env](BoundFeatures& bound, napi_value* arguments) -> napi_value {
    if (bound.matrix == nullptr) return nullptr;
    const std::int64_t c = class_id(env, arguments[0], bound.matrix->classes());
    if (c >= 0) return number(env, bound.matrix->score(bound.features.data(), c));
    float* out = nullptr;
    if (!many_arguments(env, *bound.scorer, *bound.matrix, arguments[0], arguments[1], out)) return nullptr;
    bound.matrix->score_many(bound.features.data(), bound.scorer->ids.data(),
                             static_cast<std::int64_t>(bound.scorer->ids.size()), out);
    return yes(env);
  });
}

// An array that the classifier reads without being given it: its memory is shared, which nothing can detach.
struct BoundArray {
  std::shared_ptr<Scorer> scorer;
  ExampleView view;
};

napi_value score_array(napi_env env, napi_callback_info info) {
  return called<1, BoundArray>(env, info, [env](BoundArray& bound, napi_value* arguments) -> napi_value {
    Scorer& scorer = *bound.scorer;
    if (scorer.matrix == nullptr) return nullptr;
    const std::int64_t c = class_id(env, arguments[0], scorer.matrix->classes());
    return c < 0 ? nullptr : number(env, scorer.matrix->score(features_of(scorer, bound.view), c));
  });
}

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

// A function whose callback data is `data`, which lives as long as it does.
template <class Data>
napi_value owning_function(napi_env env, const char* name, napi_callback callback, std::unique_ptr<Data> data) {
  napi_value function = nullptr;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data.get(), &function));
  check(env, napi_add_finalizer(
                 env, function, data.get(), [](napi_env, void* owned, void*) { delete static_cast<Data*>(owned); },
                 nullptr, nullptr));
  data.release();
  return function;
}

// The same with the Scorer itself as callback data: one indirection less in every call.
napi_value scorer_function(napi_env env, const char* name, napi_callback callback,
                           const std::shared_ptr<Scorer>& scorer) {
  napi_value function = nullptr;
  auto owner = std::make_unique<std::shared_ptr<Scorer>>(scorer);
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, scorer.get(), &function));
  check(env, napi_add_finalizer(
                 env, function, owner.get(),
                 [](napi_env, void* owned, void*) { delete static_cast<std::shared_ptr<Scorer>*>(owned); }, nullptr,
                 nullptr));
  owner.release();
  return function;
}

// scoreBoundTo(array)
napi_value score_bound_to(napi_env env, napi_callback_info info) {
  return called<1, std::shared_ptr<Scorer>>(
      env, info, [env](std::shared_ptr<Scorer>& scorer, napi_value* arguments) -> napi_value {
        if (scorer->matrix == nullptr) return nullptr;
        ExampleView view;
        napi_value buffer = nullptr;
        bool detachable = true;
        if (!example_view(env, arguments[0], view) ||
            view.length != static_cast<std::size_t>(scorer->trunk->input_size()) ||
            napi_get_typedarray_info(env, arguments[0], nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
            napi_is_arraybuffer(env, buffer, &detachable) != napi_ok || detachable)
          return nullptr;
        const napi_value function =
            owning_function(env, "scoreBound", score_array, std::make_unique<BoundArray>(BoundArray{scorer, view}));
        check(env, napi_set_named_property(env, function, "input", arguments[0]));  // keeps the memory alive
        return function;
      });
}

}  // namespace

Napi::Value bound_function(Napi::Env env, const std::shared_ptr<Scorer>& scorer,
                           std::shared_ptr<const ClassifierWeights> weights, std::vector<float> features) {
  return Napi::Value(env,
                     owning_function(env, "score", score_features,
                                     std::make_unique<BoundFeatures>(scorer, std::move(weights), std::move(features))));
}

void add_scoring_functions(Napi::Env env, const Napi::Object& object, const std::shared_ptr<Scorer>& scorer) {
  const auto add = [&](const char* name, napi_value function) { object.Set(name, Napi::Value(env, function)); };
  const auto owned = [&] { return std::make_unique<std::shared_ptr<Scorer>>(scorer); };
  add("score", scorer_function(env, "score", score, scorer));
  add("scoreMany", scorer_function(env, "scoreMany", score_many, scorer));
  add("scoreBatch", scorer_function(env, "scoreBatch", score_batch, scorer));
  add("bind", owning_function(env, "bind", bind, owned()));
  add("scoreBoundTo", owning_function(env, "scoreBoundTo", score_bound_to, owned()));
}

}  // namespace onelogit::addon
