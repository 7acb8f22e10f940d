#include "addon/scorer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

namespace onelogit::addon {

namespace {

// What a scorer that was disposed of compares with.
constexpr std::uint64_t no_generation = 0;
const std::atomic<std::uint64_t> none{no_generation};

}  // namespace

Scored::Scored(Scorer& of, std::shared_ptr<const Generation> from)
    : scorer(of),
      generation(std::move(from)),
      trunk(&generation->weights->trunk()),
      matrix(&generation->weights->matrix()),
      thresholds(generation->thresholds.empty() ? nullptr : generation->thresholds.data()) {}

void Scored::use(std::vector<float> calibrated_thresholds, CalibrationRecord record) {
  calibrated = std::move(calibrated_thresholds);
  calibrated_record = std::move(record);
  thresholds = calibrated.data();
}

void Scored::dispose() {
  trunk = nullptr;
  matrix = nullptr;
  thresholds = nullptr;
  generation.reset();
  calibrated = {};
  calibrated_record = {};
}

Scorer::Scorer(std::shared_ptr<SharedWeights> weights) : latest(&weights->number()), shared(std::move(weights)) {
  refresh();
  features.resize(static_cast<std::size_t>(trunk->feature_size()));
  // The buffers of a pass are made now. Later generations need the same.
  const std::vector<std::byte> example(static_cast<std::size_t>(trunk->input_size()) * 4);
  trunk->features(example.data(), trunk->takes_integers() ? ExampleType::int32 : ExampleType::float32, 1, scratch,
                  features.data());
}

void Scorer::refresh() {
  std::shared_ptr<SharedWeights> newest = shared;
  auto next = std::make_shared<Scored>(*this, SharedWeights::current(newest));
  std::erase_if(earlier, [](const auto& scored) { return scored.expired(); });
  if (now) earlier.push_back(now);
  // Nothing below throws.
  now = std::move(next);
  shared = std::move(newest);
  latest = &shared->number();
  number = now->generation->number;
  trunk = now->trunk;
  matrix = now->matrix;
}

void Scorer::dispose() {
  for (const auto& weak : earlier)
    if (const auto scored = weak.lock()) scored->dispose();
  if (now) now->dispose();
  now.reset();
  shared.reset();
  latest = &none;
  number = no_generation;
  trunk = nullptr;
  matrix = nullptr;
  scratch = Trunk::Scratch();
  features = {};
}

void throw_disposed(const char* what) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_DISPOSED",
              std::string("Expected a classifier in use for ") + what + " but received one that was disposed of");
}

void throw_cancelled(const char* what) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_ABORTED",
              std::string("Expected ") + what + " to finish but it was cancelled");
}

std::shared_ptr<const Generation> generation_of(Scorer& scorer, const char* what) {
  if (!scorer.ready()) throw_disposed(what);
  return scorer.now->generation;
}

std::int64_t class_id(napi_env env, napi_value value, std::int64_t classes) {
  double id = 0;
  if (napi_get_value_double(env, value, &id) != napi_ok) return -1;
  if (!(id >= 0 && id < static_cast<double>(classes))) return -1;  // NaN too
  const auto c = static_cast<std::int64_t>(id);
  return static_cast<double>(c) == id ? c : -1;
}

bool example_view(napi_env env, napi_value value, ExampleView& view) {
  napi_typedarray_type type = unknown_type;
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
  Trunk::Scratch scratch;
  if (!trunk.on_cpu()) {
    std::vector<float> weight(static_cast<std::size_t>(d));
    weights.matrix().read_rows(c, 1, weight.data());
    return trunk.products(examples.data, examples.type, m, scratch, weight.data(), weights.matrix().bias(c), out,
                          cancelled);
  }
  const std::int64_t rows = std::min(m, trunk.rows_at_once());
  std::vector<float> features(static_cast<std::size_t>(rows * d));
  for (std::int64_t first = 0; first < m; first += rows) {
    const std::int64_t count = std::min(rows, m - first);
    const auto* chunk = static_cast<const std::byte*>(examples.data) +
                        static_cast<std::size_t>(first * row) * element_bytes(examples.type);
    if (!trunk.features(chunk, examples.type, count, scratch, features.data(), cancelled, first)) return false;
    weights.matrix().score_batch(features.data(), count, c, out + first);
  }
  return true;
}

namespace {

bool typed_array(napi_env env, napi_value value, napi_typedarray_type wanted, void*& data, std::size_t& length) {
  napi_typedarray_type type = unknown_type;
  return napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) == napi_ok && type == wanted;
}

napi_value number(napi_env env, float value) {
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(value), &result);
  return result;
}
napi_value boolean(napi_env env, bool value) {
  napi_value result = nullptr;
  napi_get_boolean(env, value, &result);
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
    try {
      if constexpr (std::is_invocable_v<Body, Data&, napi_value*, std::size_t>)
        return body(*static_cast<Data*>(data), arguments, count);
      else
        return body(*static_cast<Data*>(data), arguments);
    } catch (const Napi::Error& error) {
      error.ThrowAsJavaScriptException();
    } catch (const std::exception& error) {
      to_javascript(Napi::Env(env), error).ThrowAsJavaScriptException();
    }
  } catch (...) {
    // JavaScript is being terminated and takes no exception any more.
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
    if (!scorer.ready()) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    if (c < 0) return nullptr;
    const float* features = features_of(env, scorer, arguments[0]);
    return features == nullptr ? nullptr : number(env, scorer.matrix->score(features, c));
  });
}

// The memory of a view whose elements the caller knows to be four bytes: half of what napi_get_typedarray_info takes,
// which also finds out the type and the buffer. Whoever lies about the type gets a wrong number; the length in bytes is
// the view's own.
template <class T>
bool view_memory(napi_env env, napi_value value, T*& data, std::size_t& length) {
  static_assert(sizeof(T) == 4);
  bool is_view = false;
  void* memory = nullptr;
  std::size_t bytes = 0;
  // napi_get_buffer_info ends the process on anything but a view.
  if (napi_is_buffer(env, value, &is_view) != napi_ok || !is_view ||
      napi_get_buffer_info(env, value, &memory, &bytes) != napi_ok ||
      reinterpret_cast<std::uintptr_t>(memory) % alignof(T) != 0 || bytes % sizeof(T) != 0)
    return false;
  data = static_cast<T*>(memory);
  length = bytes / sizeof(T);
  return true;
}

napi_value score_float32(napi_env env, napi_callback_info info) {
  return called<2, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready()) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    float* data = nullptr;
    ExampleView view;
    if (c < 0 || !view_memory(env, arguments[0], data, view.length)) return nullptr;
    view.data = data;
    const float* features = features_of(scorer, view);
    return features == nullptr ? nullptr : number(env, scorer.matrix->score(features, c));
  });
}

napi_value matches(napi_env env, napi_callback_info info) {
  return called<2, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready() || scorer.now->thresholds == nullptr) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    if (c < 0) return nullptr;
    const float* features = features_of(env, scorer, arguments[0]);
    return features == nullptr ? nullptr : boolean(env, scorer.matrix->score(features, c) >= scorer.now->thresholds[c]);
  });
}

// Class ids, copied and checked.
bool take_ids(Scorer& scorer, const ClassMatrix& matrix, const void* ids, std::size_t count) {
  scorer.ids.resize(count);
  if (count > 0) std::memcpy(scorer.ids.data(), ids, count * sizeof(std::int32_t));
  return std::all_of(scorer.ids.begin(), scorer.ids.end(),
                     [classes = matrix.classes()](std::int32_t id) { return id >= 0 && id < classes; });
}

// The ids of an Int32Array, and the memory of as long a Float32Array.
bool many_arguments(napi_env env, Scorer& scorer, const ClassMatrix& matrix, napi_value ids, napi_value out,
                    float*& to) {
  void *id_data = nullptr, *out_data = nullptr;
  std::size_t count = 0, out_length = 0;
  if (!typed_array(env, ids, napi_int32_array, id_data, count)) return false;
  if (!typed_array(env, out, napi_float32_array, out_data, out_length) || out_length != count) return false;
  to = static_cast<float*>(out_data);
  return take_ids(scorer, matrix, id_data, count);
}

// Whether writing the scores would change examples that are still to be read.
bool overlap(const ExampleView& examples, const float* out, std::size_t count) {
  const auto first = reinterpret_cast<std::uintptr_t>(examples.data), to = reinterpret_cast<std::uintptr_t>(out);
  return count > 0 && first < to + count * sizeof(float) && to < first + examples.length * element_bytes(examples.type);
}

napi_value score_many_float32(napi_env env, napi_callback_info info) {
  return called<3, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    float *data = nullptr, *out = nullptr;
    std::int32_t* ids = nullptr;
    std::size_t count = 0, out_length = 0;
    ExampleView view;
    if (!scorer.ready() || !view_memory(env, arguments[1], ids, count) ||
        !view_memory(env, arguments[2], out, out_length) || out_length != count ||
        !take_ids(scorer, *scorer.matrix, ids, count) || !view_memory(env, arguments[0], data, view.length))
      return nullptr;
    view.data = data;
    if (overlap(view, out, count)) return boolean(env, false);
    const float* features = features_of(scorer, view);
    if (features == nullptr) return nullptr;
    scorer.matrix->score_many(features, scorer.ids.data(), static_cast<std::int64_t>(count), out);
    return boolean(env, true);
  });
}

napi_value score_many(napi_env env, napi_callback_info info) {
  return called<3, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    float* out = nullptr;
    ExampleView view;
    if (!scorer.ready() || !many_arguments(env, scorer, *scorer.matrix, arguments[1], arguments[2], out) ||
        !example_view(env, arguments[0], view))
      return nullptr;
    if (overlap(view, out, scorer.ids.size())) return boolean(env, false);
    const float* features = features_of(scorer, view);
    if (features == nullptr) return nullptr;
    scorer.matrix->score_many(features, scorer.ids.data(), static_cast<std::int64_t>(scorer.ids.size()), out);
    return boolean(env, true);
  });
}

napi_value score_batch(napi_env env, napi_callback_info info) {
  return called<3, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready()) return nullptr;
    const std::int64_t c = class_id(env, arguments[1], scorer.matrix->classes());
    ExampleView view;
    void* out = nullptr;
    std::size_t m = 0;
    if (c < 0 || !example_view(env, arguments[0], view) || !typed_array(env, arguments[2], napi_float32_array, out, m))
      return nullptr;
    const auto row = static_cast<std::size_t>(scorer.trunk->input_size());
    if (view.length % row != 0 || view.length / row != m) return nullptr;
    if (overlap(view, static_cast<const float*>(out), m)) return boolean(env, false);
    score_examples(*scorer.now->generation->weights, view, static_cast<std::int64_t>(m), c, static_cast<float*>(out),
                   nullptr);
    return boolean(env, true);
  });
}

napi_value bind(napi_env env, napi_callback_info info) {
  return called<1, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready()) return nullptr;
    const float* features = features_of(env, scorer, arguments[0]);
    return features == nullptr ? nullptr : bound_function(env, scorer.now, features);
  });
}

// A bound input: this, and then its features, in an ArrayBuffer that only its function holds.
struct alignas(64) BoundFeatures {
  const Scored* scored;
  const float* values() const { return reinterpret_cast<const float*>(this + 1); }
};

napi_value score_features(napi_env env, napi_callback_info info) {
  return called<2, const BoundFeatures>(
      env, info, [env](const BoundFeatures& bound, napi_value* arguments, std::size_t count) -> napi_value {
        const ClassMatrix* matrix = bound.scored->matrix;
        if (matrix == nullptr) return nullptr;
        const std::int64_t c = class_id(env, arguments[0], matrix->classes());
        if (c >= 0 && count < 2) return number(env, matrix->score(bound.values(), c));
        if (c >= 0) {
          const float* thresholds = bound.scored->thresholds;
          return thresholds == nullptr ? nullptr : boolean(env, matrix->score(bound.values(), c) >= thresholds[c]);
        }
        float* out = nullptr;
        std::vector<std::int32_t>& ids = bound.scored->scorer.ids;
        if (!many_arguments(env, bound.scored->scorer, *matrix, arguments[0], arguments[1], out)) return nullptr;
        matrix->score_many(bound.values(), ids.data(), static_cast<std::int64_t>(ids.size()), out);
        return boolean(env, true);
      });
}

napi_value score_bound(napi_env env, napi_callback_info info) {
  return called<1, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready()) return nullptr;
    const std::int64_t c = class_id(env, arguments[0], scorer.matrix->classes());
    return c < 0 ? nullptr : number(env, scorer.matrix->score(features_of(scorer, scorer.input), c));
  });
}

void check(napi_env env, napi_status status) {
  if (status != napi_ok) throw Napi::Error::New(env);
}

// A function with callback data, which `owner` and `memory` keep alive. They are defined, not set: a setter that all
// objects inherit would swallow them. And they cannot be deleted.
napi_value function_of(napi_env env, napi_value owner, const char* name, napi_callback callback, void* data,
                       napi_value memory = nullptr) {
  napi_value function = nullptr;
  check(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function));
  const auto kept = [](const char* property, napi_value value) {
    return napi_property_descriptor{property, nullptr, nullptr, nullptr, nullptr, value, napi_default, nullptr};
  };
  const napi_property_descriptor properties[] = {kept("owner", owner), kept("memory", memory)};
  check(env, napi_define_properties(env, function, memory == nullptr ? 1 : 2, properties));
  return function;
}

// What a holder keeps.
struct Held {
  std::shared_ptr<Scorer> scorer;
  std::shared_ptr<Scored> scored;
  napi_ref reference = nullptr;
};

// The object that keeps a Scored alive; another one if that of earlier bound inputs was collected.
napi_value holder_of(napi_env env, const std::shared_ptr<Scored>& scored) {
  napi_value holder = nullptr;
  if (scored->holder != nullptr) check(env, napi_get_reference_value(env, scored->holder, &holder));
  if (holder != nullptr) return holder;
  auto held = std::make_unique<Held>(Held{scored->scorer.shared_from_this(), scored});
  check(env, napi_create_object(env, &holder));
  check(env, napi_create_reference(env, holder, 0, &held->reference));
  const napi_status status = napi_add_finalizer(
      env, holder, held.get(),
      [](napi_env of, void* data, void*) {
        const std::unique_ptr<Held> released(static_cast<Held*>(data));
        napi_delete_reference(of, released->reference);
        if (released->scored->holder == released->reference) released->scored->holder = nullptr;
      },
      nullptr, nullptr);
  if (status != napi_ok) {
    napi_delete_reference(env, held->reference);
    check(env, status);
  }
  scored->holder = held.release()->reference;
  return holder;
}

// Shared memory cannot be detached, and this array's is not let go: the pointer stays good.
napi_value score_bound_to(napi_env env, napi_callback_info info) {
  return called<1, Scorer>(env, info, [env](Scorer& scorer, napi_value* arguments) -> napi_value {
    if (!scorer.ready() || scorer.input.data != nullptr) return nullptr;
    ExampleView view;
    napi_value buffer = nullptr;
    bool detachable = true;
    if (!example_view(env, arguments[0], view) || view.length != static_cast<std::size_t>(scorer.trunk->input_size()) ||
        napi_get_typedarray_info(env, arguments[0], nullptr, nullptr, nullptr, &buffer, nullptr) != napi_ok ||
        napi_is_arraybuffer(env, buffer, &detachable) != napi_ok || detachable)
      return nullptr;
    const napi_value function =
        function_of(env, owner_of(env, scorer), "scoreBound", score_bound, &scorer, arguments[0]);
    scorer.input = view;
    return function;
  });
}

}  // namespace

napi_value bound_function(napi_env env, const std::shared_ptr<Scored>& scored, const float* features) {
  const std::size_t bytes = static_cast<std::size_t>(scored->matrix->features()) * sizeof(float);
  std::size_t space = sizeof(BoundFeatures) + bytes + alignof(BoundFeatures);
  void* memory = nullptr;
  napi_value buffer = nullptr;
  check(env, napi_create_arraybuffer(env, space, &memory, &buffer));
  auto* bound = new (std::align(alignof(BoundFeatures), sizeof(BoundFeatures) + bytes, memory, space))
      BoundFeatures{scored.get()};
  std::memcpy(bound + 1, features, bytes);
  return function_of(env, holder_of(env, scored), "score", score_features, bound, buffer);
}

Napi::Object owner_of(Napi::Env env, const Scorer& scorer) {
  napi_value owner = nullptr;
  check(env, napi_get_reference_value(env, scorer.owner, &owner));
  return Napi::Object(env, owner);
}

void add_scoring_functions(Napi::Env env, const Napi::Object& object, const std::shared_ptr<Scorer>& scorer) {
  const Napi::Object owner = Napi::Object::New(env);
  auto held = std::make_unique<std::shared_ptr<Scorer>>(scorer);
  check(env, napi_create_reference(env, owner, 0, &scorer->owner));
  check(env, napi_add_finalizer(
                 env, owner, held.get(),
                 [](napi_env of, void* data, void*) {
                   const std::unique_ptr<std::shared_ptr<Scorer>> released(static_cast<std::shared_ptr<Scorer>*>(data));
                   napi_delete_reference(of, (*released)->owner);
                   (*released)->owner = nullptr;
                 },
                 nullptr, nullptr));
  static_cast<void>(held.release());  // the finalizer's now
  const auto add = [&](const char* name, napi_callback callback) {
    object.Set(name, Napi::Value(env, function_of(env, owner, name, callback, scorer.get())));
  };
  add("score", score);
  add("scoreFloat32", score_float32);
  add("matches", matches);
  add("scoreMany", score_many);
  add("scoreManyFloat32", score_many_float32);
  add("scoreBatch", score_batch);
  add("bind", bind);
  add("scoreBoundTo", score_bound_to);
}

}  // namespace onelogit::addon
