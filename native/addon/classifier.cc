// Classifiers: made from a file or a model, and what they do over many examples, which are jobs. What they answer at
// once is in scorer.cc; src/native-classifier.ts describes the object that both make up.

#include "addon/classifier.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "addon/composed_files.h"
#include "addon/model.h"
#include "addon/opened_file.h"
#include "addon/scorer.h"
#include "addon/turns.h"

namespace onelogit::addon {
namespace {

// What thresholds were chosen by: int32[k], examples of each class, and for what, among the file's metadata.
constexpr const char* calibration_examples_name = "thresholds.examples";
constexpr const char* calibration_target_key = "onelogit_calibration";

Napi::Float32Array float32_to_javascript(Napi::Env env, const std::vector<float>& values) {
  Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
  if (!values.empty()) std::memcpy(array.Data(), values.data(), values.size() * sizeof(float));
  return array;
}

// Bytes of examples, copied: JavaScript may transfer or write them while another thread reads.
struct Examples {
  std::vector<std::byte> bytes;
  ExampleType type = ExampleType::float32;
  std::int64_t count = 0;
};
Examples copy_of_examples(Napi::Env env, const Scorer& scorer, const Napi::Value& value) {
  ExampleView view;
  const auto row = static_cast<std::size_t>(scorer.trunk->input_size());
  if (!example_view(env, value, view) || view.length % row != 0)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected a multiple of " + std::to_string(row) + " elements for inputs but received " +
                    std::to_string(view.length));
  Examples copy{std::vector<std::byte>(view.length * element_bytes(view.type)), view.type,
                static_cast<std::int64_t>(view.length / row)};
  if (!copy.bytes.empty()) std::memcpy(copy.bytes.data(), view.data, copy.bytes.size());
  return copy;
}

// scoreBatchAsync(inputs, classId) → Promise<Float32Array>
Napi::Value score_batch_async(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const char* what = "scoreBatchAsync";
  const auto weights = generation_of(*scorer, what)->weights;
  auto examples = std::make_shared<const Examples>(copy_of_examples(info.Env(), *scorer, info[0]));
  const std::int64_t c = class_id(info.Env(), info[1], weights->matrix().classes());
  if (c < 0)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                std::string("Expected a class for ") + what + " but received something else");
  return start_job(
             info.Env(),
             [weights, examples, c, what](Job& job) -> Finish {
               const Turn turn(job, what);
               auto logits = std::make_shared<std::vector<float>>(static_cast<std::size_t>(examples->count));
               if (!score_examples(*weights, {examples->bytes.data(), examples->bytes.size(), examples->type},
                                   examples->count, c, logits->data(), &job.cancelled))
                 throw_cancelled(what);
               return [logits](Napi::Env env) -> Napi::Value { return float32_to_javascript(env, *logits); };
             },
             wake_turns)
      .promise;
}

// bindAsync(input) → Promise of what bind returns, of the generation in use now
Napi::Value bind_async(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const char* what = "bindAsync";
  const auto generation = generation_of(*scorer, what);
  const std::shared_ptr<Scored> scored = scorer->now;  // with the thresholds that were calibrated here
  auto examples = std::make_shared<const Examples>(copy_of_examples(info.Env(), *scorer, info[0]));
  if (examples->count != 1)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected one example for bindAsync but received " + std::to_string(examples->count));
  std::vector<Napi::ObjectReference> keep;
  keep.push_back(Napi::Persistent(owner_of(info.Env(), *scorer)));
  return start_job(
             info.Env(),
             // `keep` holds the scorer. What is captured here is released on the job's thread, where a Scorer must not
             // end.
             [generation, examples, scored, what](Job& job) -> Finish {
               const Turn turn(job, what);
               const Trunk& trunk = generation->weights->trunk();
               auto features = std::make_shared<std::vector<float>>(static_cast<std::size_t>(trunk.feature_size()));
               Trunk::Scratch scratch;
               if (!trunk.features(examples->bytes.data(), examples->type, 1, scratch, features->data(),
                                   &job.cancelled))
                 throw_cancelled(what);
               return [scored, features, what](Napi::Env env) -> Napi::Value {
                 if (scored->matrix == nullptr) throw_disposed(what);
                 return Napi::Value(env, bound_function(env, scored, features->data()));
               };
             },
             wake_turns, std::move(keep))
      .promise;
}

// Class names as tensors of a file. They refer to the generation.
std::vector<TensorToWrite> name_tensors(const Generation& generation) {
  if (generation.name_offsets.empty()) return {};
  const auto tensor = [](const char* name, const char* dtype, const std::vector<std::byte>& bytes, std::size_t width) {
    return TensorToWrite{name, dtype, {static_cast<std::int64_t>(bytes.size() / width)}, [&bytes](const auto& sink) {
                           if (!bytes.empty()) sink(bytes.data(), bytes.size());
                         }};
  };
  return {tensor(name_bytes_tensor, "U8", generation.name_bytes, 1),
          tensor(name_offsets_tensor, "I64", generation.name_offsets, sizeof(std::int64_t))};
}

// A generation as it is written into files, with the thresholds in use.
struct Written {
  std::shared_ptr<const Generation> generation;
  // Another calibration may replace these meanwhile.
  std::shared_ptr<const std::vector<float>> calibrated;  // null: the generation's
  std::shared_ptr<const CalibrationRecord> record;

  // The result refers to this object.
  std::vector<TensorToWrite> tensors() const {
    std::vector<TensorToWrite> result = generation->weights->tensors();
    if (!generation->weights->has_file()) {  // else they are among the file's
      const std::vector<TensorToWrite> names = name_tensors(*generation);
      result.insert(result.end(), names.begin(), names.end());
    }
    const std::vector<float>& thresholds = calibrated ? *calibrated : generation->thresholds;
    if (!thresholds.empty())
      result.push_back(
          {thresholds_tensor, "F32", {static_cast<std::int64_t>(thresholds.size())}, [&thresholds](const auto& sink) {
             sink(thresholds.data(), thresholds.size() * sizeof(float));
           }});
    const std::vector<std::int32_t>& examples = record->examples;
    if (!examples.empty())
      result.push_back(
          {calibration_examples_name,
           "I32",
           {static_cast<std::int64_t>(examples.size())},
           [&examples](const auto& sink) { sink(examples.data(), examples.size() * sizeof(std::int32_t)); }});
    return result;
  }

  std::map<std::string, std::string> metadata() const {
    auto entries = generation->weights->metadata();
    entries["onelogit"] = generation->metadata;
    if (!record->examples.empty()) entries[calibration_target_key] = record->target;
    return entries;
  }
};

Written written_now(Scorer& scorer, const char* what) {
  Written written{generation_of(scorer, what), nullptr, nullptr};
  written.record = std::make_shared<const CalibrationRecord>(scorer.now->calibration());
  if (!scorer.now->calibrated.empty())
    written.calibrated = std::make_shared<const std::vector<float>>(scorer.now->calibrated);
  return written;
}

// save(path) → Promise<void>
Napi::Value save_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  return start_job(info.Env(),
                   [written = written_now(*scorer, "save"), path = info[0].ToString().Utf8Value()](Job&) -> Finish {
                     write_safetensors(path, written.metadata(), written.tensors());
                     return [](Napi::Env env) { return env.Undefined(); };
                   })
      .promise;
}

// writeFiles(files, number) → Promise<void>
Napi::Value write_files_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  auto written = written_now(*scorer, "exportOnnx");
  if (static_cast<double>(written.generation->number) != info[1].ToNumber().DoubleValue())
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_RELOADED",
                "Expected the same weights while they are exported but received others by reload: export again");
  return start_job(info.Env(),
                   [written, files = composed_files_from_javascript(info[0])](Job&) -> Finish {
                     write_composed_files(files, written.tensors());
                     return [](Napi::Env env) { return env.Undefined(); };
                   })
      .promise;
}

// What belongs to the generation in use, for the getters of src/classifier.ts.
Napi::Value number_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  return Napi::Number::New(info.Env(), static_cast<double>(generation_of(*scorer, "generation")->number));
}
Napi::Value metadata_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  return Napi::String::New(info.Env(), generation_of(*scorer, "metadata")->metadata);
}
Napi::Value storage_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  return Napi::String::New(info.Env(),
                           std::string(storage_name(generation_of(*scorer, "storage")->weights->matrix().storage())));
}
Napi::Value thresholds_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  generation_of(*scorer, "thresholds");
  const std::vector<float>& thresholds = scorer->now->all_thresholds();
  return thresholds.empty() ? info.Env().Undefined() : float32_to_javascript(info.Env(), thresholds);
}
// { target, examples }
Napi::Value calibration_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  generation_of(*scorer, "calibration");
  const CalibrationRecord& record = scorer->now->calibration();
  if (record.examples.empty()) return info.Env().Undefined();
  Napi::Int32Array examples = Napi::Int32Array::New(info.Env(), record.examples.size());
  std::copy(record.examples.begin(), record.examples.end(), examples.Data());
  const Napi::Object object = Napi::Object::New(info.Env());
  object.Set("target", Napi::String::New(info.Env(), record.target));
  object.Set("examples", examples);
  return object;
}
Napi::Value names_of(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const auto generation = generation_of(*scorer, "classNames");
  if (generation->name_offsets.empty()) return info.Env().Undefined();
  return names_to_javascript(info.Env(), generation->name_bytes, generation->name_offsets);
}

// A classifier, for `loadClassifier` and `foreignHead` to replace what it and all others of the same weights answer
// from.
using Handle = std::weak_ptr<Scorer>;
constexpr napi_type_tag handle_tag{0x6f6e656c6f676974, 0x636c617373696679};
// Not a napi_external: Node leaves a little memory of each behind when its environment ends.
Napi::Value handle_to_javascript(Napi::Env env, const std::shared_ptr<Scorer>& scorer) {
  const Napi::Object handle = Napi::Object::New(env);
  auto held = std::make_unique<Handle>(scorer);
  const auto check = [env](napi_status status) {
    if (status != napi_ok) throw Napi::Error::New(env);
  };
  check(napi_type_tag_object(env, handle, &handle_tag));
  check(napi_wrap(
      env, handle, held.get(), [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); }, nullptr,
      nullptr));
  static_cast<void>(held.release());  // the object's now
  return handle;
}
std::shared_ptr<SharedWeights> weights_from_javascript(Napi::Env env, const Napi::Value& value) {
  if (!value.IsObject()) return nullptr;
  bool tagged = false;
  void* data = nullptr;
  if (napi_check_object_type_tag(env, value, &handle_tag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(env, value, &data) != napi_ok)
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected the handle of a classifier for reload");
  const std::shared_ptr<Scorer> scorer = static_cast<const Handle*>(data)->lock();
  if (!scorer || !scorer->ready()) throw_disposed("reload");
  return scorer->shared;
}

// `loaded`: the memory was taken here, and not by another classifier with the same weights.
Napi::Object classifier_to_javascript(Napi::Env env, const std::shared_ptr<SharedWeights>& shared, bool loaded) {
  const auto scorer = std::make_shared<Scorer>(shared);
  const std::int64_t bytes = loaded ? static_cast<std::int64_t>(scorer->matrix->owned_bytes()) : 0;
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, std::int64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("classes", scorer->matrix->classes());
  set("features", scorer->matrix->features());
  set("inputSize", scorer->trunk->input_size());
  object.Set("handle", handle_to_javascript(env, scorer));
  add_scoring_functions(env, object, scorer);
  const auto add = [&](const char* name,
                       Napi::Value (*method)(const Napi::CallbackInfo&, const std::shared_ptr<Scorer>&)) {
    object.Set(name, Napi::Function::New(
                         env,
                         [method, scorer](const Napi::CallbackInfo& info) {
                           return guarded(info.Env(), [&] { return method(info, scorer); });
                         },
                         name));
  };
  add("scoreBatchAsync", score_batch_async);
  add("bindAsync", bind_async);
  add("calibrate", calibrate_job);
  add("evaluateThresholds", evaluate_thresholds_job);
  add("save", save_job);
  add("writeFiles", write_files_job);
  add("number", number_of);
  add("metadata", metadata_of);
  add("storage", storage_of);
  add("thresholds", thresholds_of);
  add("calibration", calibration_of);
  add("classNames", names_of);
  // The garbage collector should know what this holds back.
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  const auto release = [scorer, bytes](Napi::BasicEnv of) {
    if (!scorer->shared) return;
    scorer->dispose();
    Napi::MemoryManagement::AdjustExternalMemory(of, -bytes);
  };
  object.Set("dispose", Napi::Function::New(
                            env, [release](const Napi::CallbackInfo& info) { release(info.Env()); }, "dispose"));
  object.AddFinalizer([release](Napi::BasicEnv of, void*) { release(of); }, static_cast<void*>(nullptr));
  return object;
}

// { storage?: 'float32' | 'bfloat16' | 'int8' }
std::optional<ClassStorage> storage_field(const Napi::Object& object) {
  const std::string name = string_field(object, "storage", "");
  if (name == "float32") return ClassStorage::float32;
  if (name == "bfloat16") return ClassStorage::bfloat16;
  if (name == "int8") return ClassStorage::int8;
  return std::nullopt;
}

// { requireThresholds? }
SharedWeights::Thresholds thresholds_field(const Napi::Object& object) {
  return boolean_field(object, "requireThresholds", false) ? SharedWeights::Thresholds::required
                                                           : SharedWeights::Thresholds::optional;
}

// What a generation is described by: { metadata, classNames? }
Generation description_of(const Napi::Object& object) {
  Generation description;
  description.metadata = string_field(object, "metadata", "");
  if (const Napi::Value given = object.Get("classNames"); given.IsObject()) {
    const Napi::Object names = given.As<Napi::Object>();
    const auto copy = [&](const char* field, std::vector<std::byte>& to) {
      const ArrayView<std::uint8_t> from = uint8_array(names.Get(field), field);
      const auto* const bytes = reinterpret_cast<const std::byte*>(from.data);
      to.assign(bytes, bytes + from.length);
    };
    copy("bytes", description.name_bytes);
    copy("offsets", description.name_offsets);
  }
  return description;
}

// Tells apart names given by callers: their number, length and hash.
std::string names_key(const Generation& generation) {
  const auto hash = [](const std::vector<std::byte>& bytes) {
    return std::to_string(bytes.size()) + ':' +
           std::to_string(std::hash<std::string_view>()({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  };
  return hash(generation.name_bytes) + ' ' + hash(generation.name_offsets);
}

// A classifier of the weights under `key`; or, given the weights of others, those of `key` for all of them.
struct Opening {
  std::string key;
  std::uint64_t order;
  std::shared_ptr<SharedWeights> replaced;  // null: open
  SharedWeights::Thresholds thresholds;
};
Finish open_or_replace(const Opening& opening, const SharedWeights::Load& load) {
  if (opening.replaced) {
    SharedWeights::replace(opening.replaced, opening.key, opening.order, load, opening.thresholds);
    return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
  }
  bool loaded = false;
  const auto shared = SharedWeights::open(opening.key, opening.order, load, loaded);
  return [shared, loaded](Napi::Env env) -> Napi::Value { return classifier_to_javascript(env, shared, loaded); };
}

// classifierOf(model, { storage?, metadata, classNames? }) → Promise<NativeClassifier>: a snapshot.
Napi::Value classifier_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto use = std::make_shared<SharedModel::Use>(model_from_javascript(info[0]), false, "SingleLogitClassifier.load");
    const Napi::Object object = info[1].ToObject();
    auto generation = Generation::shared(description_of(object));
    return start_job(info.Env(),
                     [use, generation, storage = storage_field(object)](Job&) -> Finish {
                       // Of its own: the model may be trained on while the classifier answers.
                       const std::shared_ptr<Backend> backend = backend_on(std::string((*use)->backend().name()));
                       generation->weights = ClassifierWeights::snapshot(**use, *backend, storage);
                       const auto shared = SharedWeights::alone(generation);
                       return [shared](Napi::Env env) -> Napi::Value {
                         return classifier_to_javascript(env, shared, true);
                       };
                     })
        .promise;
  });
}

// float32[k], or nothing if the file has none.
std::vector<float> read_thresholds(const SafetensorsFile& file, std::int64_t classes) {
  const TensorEntry* entry = file.find(thresholds_tensor);
  if (entry == nullptr) return {};
  if (entry->dtype != "F32" || entry->shape != Shape{classes})
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected F32 of shape [" + std::to_string(classes) + "] for 'thresholds' of " + file.path() +
                    " but received " + entry->dtype + " of shape " + describe_shape(entry->shape));
  std::vector<float> thresholds(static_cast<std::size_t>(classes));
  file.read_float32(*entry, thresholds.data());
  return thresholds;
}

// Nothing if the file has thresholds of an earlier version, without it, or none.
CalibrationRecord read_calibration(const SafetensorsFile& file, std::int64_t classes) {
  const TensorEntry* entry = file.find(calibration_examples_name);
  const auto target = file.metadata().find(calibration_target_key);
  if (entry == nullptr || target == file.metadata().end() || file.find(thresholds_tensor) == nullptr) return {};
  if (entry->dtype != "I32" || entry->shape != Shape{classes})
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected I32 of shape [" + std::to_string(classes) + "] for '" + calibration_examples_name + "' of " +
                    file.path() + " but received " + entry->dtype + " of shape " + describe_shape(entry->shape));
  CalibrationRecord record{target->second, std::vector<std::int32_t>(static_cast<std::size_t>(classes))};
  file.read(*entry, record.examples.data(), 0, record.examples.size() * sizeof(std::int32_t));
  return record;
}

}  // namespace

Napi::Value load_classifier(const Napi::CallbackInfo& info, std::shared_ptr<const SafetensorsFile> file,
                            std::uint64_t order) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].ToObject();
    const ModelSpec spec = model_spec_from_javascript(object);
    const Placement placement = placement_from_javascript(object);
    const ClassifierWeights::Keeping keeping{storage_field(object), boolean_field(object, "memoryMap", false),
                                             boolean_field(object, "prefault", false)};
    Preprocessing preprocessing;
    if (const Napi::Value given = object.Get("preprocessing"); given.IsObject())
      preprocessing = preprocessing_from_javascript(given.As<Napi::Object>());
    const std::string kept = string_field(object, "storage", "as stored") + (keeping.memory_map ? " mapped" : "") +
                             (keeping.prefault ? " at once" : "");
    auto generation = Generation::shared(description_of(object));
    return start_job(
               info.Env(),
               [order, replaced = weights_from_javascript(info.Env(), info[1]), thresholds = thresholds_field(object),
                file, spec, placement, preprocessing, keeping, kept, generation](Job&) -> Finish {
                 const std::string key = file->identity() + " on " + used_device(placement.device) + ' ' + kept;
                 return open_or_replace({key, order, replaced, thresholds}, [&] {
                   const std::shared_ptr<Backend> backend = placement.backend();
                   generation->weights = ClassifierWeights::load(file, spec, preprocessing, *backend, keeping);
                   generation->thresholds = read_thresholds(*file, generation->weights->matrix().classes());
                   generation->calibration = read_calibration(*file, generation->weights->matrix().classes());
                   file->check_unchanged();
                   return generation;
                 });
               })
        .promise;
  });
}

namespace {

// foreignHead({ weightFile, weight, biasFile?, bias?, storage?, metadata, classNames? }, handle?) →
// Promise<NativeClassifier>, or of nothing when the weights of the classifier `handle` were replaced
Napi::Value foreign_head(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].ToObject();
    const auto field = [&](const char* name) { return string_field(object, name, ""); };
    auto generation = Generation::shared(description_of(object));
    std::shared_ptr<const OpenedSafetensors> bias_from;
    if (const Napi::Value file = object.Get("biasFile"); !file.IsUndefined()) bias_from = opened_safetensors(file);
    return start_job(info.Env(),
                     [from = opened_safetensors(object.Get("weightFile")), weight = field("weight"), bias_from,
                      bias = field("bias"), storage = storage_field(object).value_or(ClassStorage::float32), generation,
                      replaced = weights_from_javascript(info.Env(), info[1])](Job&) -> Finish {
                       const auto keep_open = [&](const std::shared_ptr<const OpenedSafetensors>& opened) {
                         return generation->open_files.emplace_back(opened, &opened->file);
                       };
                       const auto file = keep_open(from);
                       const auto bias_file = bias_from ? keep_open(bias_from) : nullptr;
                       // Names end where their lengths say, whatever is in them.
                       const std::string key = "head of " + file->identity() + ' ' + std::to_string(weight.size()) +
                                               ' ' + weight + ' ' + (bias_file ? bias_file->identity() : "") + ' ' +
                                               std::to_string(bias.size()) + ' ' + bias + ' ' +
                                               std::string(storage_name(storage)) + ' ' + names_key(*generation);
                       return open_or_replace({key, from->order, replaced, SharedWeights::Thresholds::optional}, [&] {
                         generation->weights = ClassifierWeights::head(*file, weight, bias_file.get(), bias, storage);
                         file->check_unchanged();
                         if (bias_file) bias_file->check_unchanged();
                         return generation;
                       });
                     })
        .promise;
  });
}

// addressOf(Uint8Array) → its address modulo 4096
Napi::Value address_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto address = reinterpret_cast<std::uintptr_t>(uint8_array(info[0], "addressOf").data);
    return Napi::Number::New(info.Env(), static_cast<double>(address % 4096));
  });
}

}  // namespace

void export_classifier(Napi::Env env, Napi::Object exports) {
  exports.Set("foreignHead", Napi::Function::New(env, foreign_head));
  exports.Set("addressOf", Napi::Function::New(env, address_of));
  exports.Set("classifierOf", Napi::Function::New(env, classifier_of));
}

}  // namespace onelogit::addon
