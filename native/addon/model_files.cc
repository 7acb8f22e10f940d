// Saving and exporting models, and opening model files (see src/model-file.ts for what is in one).

#include <cstring>

#include "addon/classifier.h"
#include "addon/composed_files.h"
#include "addon/model.h"
#include "format/safetensors.h"
#include "head/classifier_weights.h"
#include "head/shared_weights.h"
#include "model/model_file.h"

namespace onelogit::addon {
namespace {

constexpr const char* metadata_key = "onelogit";
constexpr const char* training_step_key = "training.step";  // of a checkpoint: train/checkpoint.cc

// Names of a million classes take some tens of megabytes.
constexpr std::int64_t most_name_bytes = std::int64_t{1} << 30;

[[noreturn]] void reject(const SafetensorsFile& file, const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
              "Expected " + expected + " for " + file.path() + " but received " + received);
}

std::vector<std::byte> read_bytes(const SafetensorsFile& file, const char* name, const char* dtype) {
  const TensorEntry& entry = *file.find(name);
  if (entry.dtype != dtype || entry.shape.size() != 1)
    reject(file, std::string("one axis of ") + dtype + " for '" + name + "'",
           entry.dtype + " of shape " + describe_shape(entry.shape));
  const std::uint64_t bytes = entry.end - entry.begin;
  if (bytes > static_cast<std::uint64_t>(most_name_bytes))
    reject(file, std::string("at most 1 GiB for '") + name + "'", std::to_string(bytes) + " bytes");
  std::vector<std::byte> result(static_cast<std::size_t>(bytes));
  file.read(entry, result.data(), 0, bytes);
  return result;
}

Napi::Uint8Array bytes_to_javascript(Napi::Env env, const std::vector<std::byte>& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

struct OpenedFile {
  std::uint64_t order;  // of SharedWeights
  SafetensorsFile file;
  bool named = false;
  std::vector<std::byte> name_bytes, name_offsets;
};

// load({ inputShape, layers, seed, device, precision }) → NativeModel
Napi::Value load(const Napi::CallbackInfo& info, const std::shared_ptr<OpenedFile>& opened) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].ToObject();
    const ModelSpec spec = model_spec_from_javascript(object);
    const Placement placement = placement_from_javascript(object);
    return start_job(info.Env(),
                     [opened, spec, placement](Job&) -> Finish {
                       // A file whose layers claim more than its tensors hold must not make us ask for that much
                       // memory.
                       const std::vector<NamedTensor> planned = planned_tensors(spec);
                       check_tensors(opened->file, planned);
                       check_no_other_tensors(opened->file, planned);
                       const std::shared_ptr<Backend> backend = placement.backend();
                       ModelSpec uninitialised = spec;
                       for (LayerSpec& layer : uninitialised.layers) layer.initializer = Initializer::zeros;
                       auto model =
                           std::make_shared<std::unique_ptr<Model>>(std::make_unique<Model>(uninitialised, *backend));
                       read_tensors(opened->file, (*model)->tensors(), *backend);
                       opened->file.check_unchanged();
                       (*model)->tensors_changed();
                       (*model)->trained = true;
                       return [model](Napi::Env env) { return model_to_javascript(env, std::move(*model)); };
                     })
        .promise;
  });
}

// describe({ inputShape, layers, seed }) → { tensors, outputShapes, storage, calibrated }
Napi::Value describe(const Napi::CallbackInfo& info, const std::shared_ptr<OpenedFile>& opened) {
  const ModelSpec spec = model_spec_from_javascript(info[0].ToObject());
  const ClassStorage storage = check_classifier_file(opened->file, spec);
  const Napi::Object result = Napi::Object::New(info.Env());
  result.Set("tensors", tensors_to_javascript(info.Env(), planned_tensors(spec)));
  result.Set("outputShapes", shapes_to_javascript(info.Env(), output_shapes(spec)));
  result.Set("storage", std::string(storage_name(storage)));
  result.Set("calibrated", opened->file.find(thresholds_tensor) != nullptr);
  return result;
}

// writeFiles(files) → Promise<void>
Napi::Value write_files_of(const Napi::CallbackInfo& info, const std::shared_ptr<OpenedFile>& opened) {
  return start_job(info.Env(),
                   [opened, files = composed_files_from_javascript(info[0])](Job&) -> Finish {
                     std::vector<TensorToWrite> tensors;
                     for (const TensorEntry& entry : opened->file.tensors())
                       tensors.push_back(copy_of_tensor(opened->file, entry));
                     write_composed_files(files, tensors);
                     return [](Napi::Env env) { return env.Undefined(); };
                   })
      .promise;
}

Napi::Value to_javascript(Napi::Env env, const std::shared_ptr<OpenedFile>& opened) {
  const Napi::Object result = Napi::Object::New(env);
  const auto& metadata = opened->file.metadata();
  if (const auto found = metadata.find(metadata_key); found != metadata.end()) result.Set("metadata", found->second);
  if (const auto found = metadata.find(training_step_key); found != metadata.end())
    result.Set("trainingStep", found->second);
  if (opened->named) result.Set("classNames", names_to_javascript(env, opened->name_bytes, opened->name_offsets));
  // Until it is closed: garbage would keep its descriptor, of which a process has a thousand.
  const auto held = std::make_shared<std::shared_ptr<OpenedFile>>(opened);
  const auto method = [&](const char* name,
                          Napi::Value (*body)(const Napi::CallbackInfo&, const std::shared_ptr<OpenedFile>&)) {
    result.Set(name, Napi::Function::New(env, [held, body](const Napi::CallbackInfo& info) {
                 return guarded(info.Env(), [&] {
                   if (!*held)
                     throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE",
                                 "Expected a model file that is open but received one that was closed");
                   return body(info, *held);
                 });
               }));
  };
  method("load", load);
  method("describe", describe);
  method("writeFiles", write_files_of);
  method("loadClassifier", [](const Napi::CallbackInfo& info, const std::shared_ptr<OpenedFile>& from) {
    return load_classifier(info, std::shared_ptr<const SafetensorsFile>(from, &from->file), from->order);
  });
  result.Set("close", Napi::Function::New(env, [held](const Napi::CallbackInfo&) { held->reset(); }));
  return result;
}

}  // namespace

Napi::Object names_to_javascript(Napi::Env env, const std::vector<std::byte>& bytes,
                                 const std::vector<std::byte>& offsets) {
  const Napi::Object names = Napi::Object::New(env);
  names.Set("bytes", bytes_to_javascript(env, bytes));
  names.Set("offsets", bytes_to_javascript(env, offsets));
  return names;
}

std::vector<TensorToWrite> class_names_from_javascript(const Napi::Value& names) {
  if (!names.IsObject()) return {};
  const Napi::Object object = names.As<Napi::Object>();
  const auto copy = [](const void* data, std::size_t bytes) {
    const auto* first = static_cast<const std::byte*>(data);
    return std::make_shared<const std::vector<std::byte>>(first, first + bytes);
  };
  const auto writer = [](const std::shared_ptr<const std::vector<std::byte>>& bytes) {
    return [bytes](const auto& sink) {
      if (!bytes->empty()) sink(bytes->data(), bytes->size());
    };
  };
  const ArrayView<std::uint8_t> text = uint8_array(object.Get("bytes"), "bytes of the class names");
  const auto bytes = copy(text.data, text.length);
  // An Int64 array's bytes: node-addon-api has no view of it that takes shared memory, and none is needed.
  const ArrayView<std::uint8_t> raw = uint8_array(object.Get("offsets"), "offsets of the class names");
  const auto offsets = copy(raw.data, raw.length);
  return {{name_bytes_tensor, "U8", {static_cast<std::int64_t>(bytes->size())}, writer(bytes)},
          {name_offsets_tensor, "I64", {static_cast<std::int64_t>(offsets->size() / 8)}, writer(offsets)}};
}

Napi::Value save(Napi::Env env, const std::shared_ptr<SharedModel>& model, const std::string& path,
                 const std::string& metadata, const Napi::Value& class_names) {
  auto use = std::make_shared<SharedModel::Use>(model, false, "model.save");
  auto names = class_names_from_javascript(class_names);
  return start_job(env,
                   [use, path, metadata, names](Job&) -> Finish {
                     std::vector<TensorToWrite> tensors = tensors_to_write((*use)->tensors(), (*use)->backend());
                     tensors.insert(tensors.end(), names.begin(), names.end());
                     write_safetensors(path, {{metadata_key, metadata}}, tensors);
                     return [](Napi::Env settled) { return settled.Undefined(); };
                   })
      .promise;
}

Napi::Value write_files(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Value& files) {
  auto use = std::make_shared<SharedModel::Use>(model, false, "exportOnnx");
  return start_job(env,
                   [use, composed = composed_files_from_javascript(files)](Job&) -> Finish {
                     write_composed_files(composed, tensors_to_write((*use)->tensors(), (*use)->backend()));
                     return [](Napi::Env settled) { return settled.Undefined(); };
                   })
      .promise;
}

Napi::Value open_model_file(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string path = info[0].ToString().Utf8Value();
    return start_job(
               info.Env(),
               [path](Job&) -> Finish {
                 auto opened = std::make_shared<OpenedFile>(
                     OpenedFile{SharedWeights::next_order(), SafetensorsFile::open(path), false, {}, {}});
                 const bool bytes = opened->file.find(name_bytes_tensor) != nullptr;
                 const bool offsets = opened->file.find(name_offsets_tensor) != nullptr;
                 if (bytes != offsets)
                   reject(opened->file,
                          std::string("both or none of '") + name_bytes_tensor + "' and '" + name_offsets_tensor + "'",
                          "one of them");
                 if (bytes) {
                   opened->named = true;
                   opened->name_bytes = read_bytes(opened->file, name_bytes_tensor, "U8");
                   opened->name_offsets = read_bytes(opened->file, name_offsets_tensor, "I64");
                 }
                 return [opened](Napi::Env env) { return to_javascript(env, opened); };
               })
        .promise;
  });
}

}  // namespace onelogit::addon
