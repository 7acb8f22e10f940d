// Classifiers: made from a file or a model, and what they do over many examples, which are jobs. What they answer at
// once is in scorer.cc; src/native-classifier.ts describes the object that both make up.

#include "addon/classifier.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "addon/dataset.h"
#include "addon/model.h"
#include "addon/scorer.h"
#include "head/calibration.h"

namespace onelogit::addon {
namespace {

constexpr const char* thresholds_name = "thresholds";

[[noreturn]] void disposed(const char* what) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_DISPOSED",
              std::string("Expected a classifier in use for ") + what + " but received one that was disposed of");
}
[[noreturn]] void cancelled(const char* what) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_ABORTED",
              std::string("Expected ") + what + " to finish but it was cancelled");
}

std::shared_ptr<const ClassifierWeights> weights_of(const Scorer& scorer, const char* what) {
  if (!scorer.weights) disposed(what);
  return scorer.weights;
}

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
  const auto weights = weights_of(*scorer, what);
  auto examples = std::make_shared<const Examples>(copy_of_examples(info.Env(), *scorer, info[0]));
  const std::int64_t c = class_id(info.Env(), info[1], weights->matrix().classes());
  if (c < 0)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                std::string("Expected a class for ") + what + " but received something else");
  return start_job(info.Env(),
                   [weights, examples, c, what](Job& job) -> Finish {
                     auto logits = std::make_shared<std::vector<float>>(static_cast<std::size_t>(examples->count));
                     if (!score_examples(*weights, {examples->bytes.data(), examples->bytes.size(), examples->type},
                                         examples->count, c, logits->data(), &job.cancelled))
                       cancelled(what);
                     return [logits](Napi::Env env) -> Napi::Value { return float32_to_javascript(env, *logits); };
                   })
      .promise;
}

// bindAsync(input) → Promise of what bind returns
Napi::Value bind_async(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const char* what = "bindAsync";
  const auto weights = weights_of(*scorer, what);
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
             [weights, examples, scorer = scorer.get(), what](Job& job) -> Finish {
               auto features =
                   std::make_shared<std::vector<float>>(static_cast<std::size_t>(weights->trunk().feature_size()));
               Trunk::Scratch scratch;
               if (!weights->trunk().features(examples->bytes.data(), examples->type, 1, scratch, features->data(),
                                              &job.cancelled))
                 cancelled(what);
               return [features, scorer, what](Napi::Env env) -> Napi::Value {
                 if (!scorer->weights) disposed(what);
                 return Napi::Value(env, bound_function(env, *scorer, features->data()));
               };
             },
             {}, std::move(keep))
      .promise;
}

struct Labelled {
  std::vector<float> features;  // n×d
  std::vector<std::int32_t> labels;
};

// The features of a whole source, which is what calibration goes over, more than once.
Labelled read_features(const Trunk& trunk, ExampleSource& source, const std::atomic<bool>& stop) {
  constexpr std::int64_t rows_at_once = 1024;  // asked of a reader at a time
  const std::int64_t n = source.length(), d = trunk.feature_size();
  Labelled result;
  result.features.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(d));
  Trunk::Scratch scratch;
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs != nullptr) {
    result.labels.assign(memory.labels, memory.labels + n);
    if (!trunk.features(memory.inputs, memory.type, n, scratch, result.features.data(), &stop)) cancelled("calibrate");
    return result;
  }
  HostBatch batch;
  std::vector<std::int64_t> indices;
  for (std::int64_t first = 0; first < n; first += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, n - first);
    indices.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) indices[static_cast<std::size_t>(i)] = first + i;
    if (stop.load() || !source.read(indices.data(), count, batch)) cancelled("calibrate");
    trunk.features(batch.inputs.data(), batch.type, count, scratch, result.features.data() + first * d, nullptr, first);
    result.labels.insert(result.labels.end(), batch.labels.begin(), batch.labels.end());
  }
  return result;
}

Napi::Value calibration_to_javascript(Napi::Env env, const Calibration& calibration) {
  const Napi::Object result = Napi::Object::New(env);
  const auto set = [&](const char* name, std::int64_t value) {
    result.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  result.Set("thresholds", float32_to_javascript(env, calibration.thresholds));
  set("meetingTarget", calibration.meeting_target);
  set("withFallback", calibration.with_fallback);
  set("withoutPositives", calibration.without_positives);
  return result;
}

// calibrate(source, 'recall' | 'precision', value) → { promise, cancel() }
Napi::Value calibrate_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const auto weights = weights_of(*scorer, "calibrate");
  Sources sources;
  auto source = sources.add(info[0].ToObject(), weights->trunk().input_size());
  if (source->classes() > weights->matrix().classes())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_CLASSES",
                "Expected at most " + std::to_string(weights->matrix().classes()) +
                    " classes for dataset but received " + std::to_string(source->classes()));
  const CalibrationTarget target{
      info[1].ToString().Utf8Value() == "precision" ? CalibrationMeasure::precision : CalibrationMeasure::recall,
      info[2].ToNumber().DoubleValue()};
  if (!(target.value > 0.0 && target.value < 1.0))
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                "Expected a number above 0 and below 1 for calibrate but received " + std::to_string(target.value));
  return job_to_javascript(
      info.Env(), start_job(
                      info.Env(),
                      [weights, source, target](Job& job) mutable -> Finish {
                        Labelled labelled = read_features(weights->trunk(), *source, job.cancelled);
                        source.reset();
                        auto result = std::make_shared<Calibration>(calibrate(
                            weights->matrix(), labelled.features.data(), labelled.labels, target, &job.cancelled));
                        if (result->thresholds.empty()) cancelled("calibrate");
                        return [result](Napi::Env env) { return calibration_to_javascript(env, *result); };
                      },
                      sources.wake()));
}

// save(path, metadata, thresholds?, classNames?) → Promise<void>. Class names of a file are copied with its tensors.
Napi::Value save_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const auto weights = weights_of(*scorer, "save");
  const std::string path = info[0].ToString().Utf8Value(), metadata = info[1].ToString().Utf8Value();
  auto thresholds = std::make_shared<std::vector<float>>();
  if (!info[2].IsUndefined()) {
    const ArrayView<float> view = float32_array(info[2], "thresholds");
    if (view.length != static_cast<std::size_t>(weights->matrix().classes()))
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                  "Expected a threshold for each class but received another number");
    thresholds->assign(view.data, view.data + view.length);
  }
  std::vector<TensorToWrite> names;
  if (!weights->has_file()) names = class_names_from_javascript(info[3]);
  return start_job(info.Env(),
                   [weights, path, metadata, thresholds, names](Job&) -> Finish {
                     std::vector<TensorToWrite> tensors = weights->tensors();
                     tensors.insert(tensors.end(), names.begin(), names.end());
                     if (!thresholds->empty())
                       tensors.push_back({thresholds_name,
                                          "F32",
                                          {static_cast<std::int64_t>(thresholds->size())},
                                          [thresholds](const auto& sink) {
                                            sink(thresholds->data(), thresholds->size() * sizeof(float));
                                          }});
                     auto entries = weights->metadata();
                     entries["onelogit"] = metadata;
                     write_safetensors(path, entries, tensors);
                     return [](Napi::Env env) { return env.Undefined(); };
                   })
      .promise;
}

std::int64_t bytes_of(const ClassifierWeights& weights) {
  return static_cast<std::int64_t>(weights.matrix().owned_bytes());
}

Napi::Object classifier_to_javascript(Napi::Env env, std::shared_ptr<const ClassifierWeights> weights) {
  const std::int64_t bytes = bytes_of(*weights);
  const auto scorer = std::make_shared<Scorer>(std::move(weights));
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, std::int64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("classes", scorer->matrix->classes());
  set("features", scorer->matrix->features());
  set("inputSize", scorer->trunk->input_size());
  object.Set("storage", std::string(storage_name(scorer->matrix->storage())));
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
  add("save", save_job);
  // The garbage collector should know what this holds back.
  Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  const auto release = [scorer, bytes](Napi::BasicEnv of) {
    if (!scorer->weights) return;
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

// classifierOf(model, { storage? }) → Promise<NativeClassifier>: a snapshot.
Napi::Value classifier_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto use = std::make_shared<SharedModel::Use>(model_from_javascript(info[0]), false, "SingleLogitClassifier.load");
    return start_job(info.Env(),
                     [use, storage = storage_field(info[1].ToObject())](Job&) -> Finish {
                       auto weights = ClassifierWeights::snapshot(**use, storage);
                       return
                           [weights](Napi::Env env) -> Napi::Value { return classifier_to_javascript(env, weights); };
                     })
        .promise;
  });
}

// float32[k], or nothing if the file has none.
std::vector<float> read_thresholds(const SafetensorsFile& file, std::int64_t classes) {
  const TensorEntry* entry = file.find(thresholds_name);
  if (entry == nullptr) return {};
  if (entry->dtype != "F32" || entry->shape != Shape{classes})
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected F32 of shape [" + std::to_string(classes) + "] for 'thresholds' of " + file.path() +
                    " but received " + entry->dtype + " of shape " + describe_shape(entry->shape));
  std::vector<float> thresholds(static_cast<std::size_t>(classes));
  file.read_float32(*entry, thresholds.data());
  return thresholds;
}

}  // namespace

Napi::Value load_classifier(const Napi::CallbackInfo& info, std::shared_ptr<const SafetensorsFile> file) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].ToObject();
    const ModelSpec spec = model_spec_from_javascript(object);
    Backend* backend = select_backend(string_field(object, "device", "auto")).backend;
    const ClassifierWeights::Keeping keeping{storage_field(object), boolean_field(object, "memoryMap", false),
                                             boolean_field(object, "prefault", false)};
    Preprocessing preprocessing;
    if (const Napi::Value given = object.Get("preprocessing"); given.IsObject())
      preprocessing = preprocessing_from_javascript(given.As<Napi::Object>());
    return start_job(info.Env(),
                     [file, spec, backend, preprocessing, keeping](Job&) -> Finish {
                       auto weights = ClassifierWeights::load(file, spec, preprocessing, *backend, keeping);
                       auto thresholds =
                           std::make_shared<std::vector<float>>(read_thresholds(*file, weights->matrix().classes()));
                       return [weights, thresholds](Napi::Env env) -> Napi::Value {
                         const Napi::Object result = classifier_to_javascript(env, weights);
                         if (!thresholds->empty()) result.Set("thresholds", float32_to_javascript(env, *thresholds));
                         return result;
                       };
                     })
        .promise;
  });
}

namespace {

// foreignHead({ weightPath, weight, biasPath?, bias? }) → Promise<NativeClassifier>
Napi::Value foreign_head(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].ToObject();
    const auto field = [&](const char* name) { return string_field(object, name, ""); };
    return start_job(info.Env(),
                     [weight_path = field("weightPath"), weight = field("weight"), bias_path = field("biasPath"),
                      bias = field("bias")](Job&) -> Finish {
                       const SafetensorsFile file = SafetensorsFile::open(weight_path);
                       std::optional<SafetensorsFile> bias_file;
                       if (!bias_path.empty()) bias_file.emplace(SafetensorsFile::open(bias_path));
                       auto weights = ClassifierWeights::head(file, weight, bias_file ? &*bias_file : nullptr, bias);
                       return
                           [weights](Napi::Env env) -> Napi::Value { return classifier_to_javascript(env, weights); };
                     })
        .promise;
  });
}

}  // namespace

void export_classifier(Napi::Env env, Napi::Object exports) {
  exports.Set("foreignHead", Napi::Function::New(env, foreign_head));
  exports.Set("classifierOf", Napi::Function::New(env, classifier_of));
}

}  // namespace onelogit::addon
