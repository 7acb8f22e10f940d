// Safetensors files for TypeScript: the header, and single tensors as typed arrays.

#include "addon/files.h"

#include <new>

#include "addon/addon.h"
#include "addon/opened_file.h"
#include "format/atomic_file.h"
#include "format/dtype.h"
#include "format/safetensors.h"
#include "format/utf8.h"

namespace onelogit::addon {
namespace {

std::string text_argument(const Napi::CallbackInfo& info, std::size_t index, const char* what) {
  if (!info[index].IsString())
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", std::string("Expected a string for ") + what);
  return info[index].As<Napi::String>().Utf8Value();
}

Napi::Value header_value(Napi::Env env, const SafetensorsFile& file) {
  Napi::Array metadata = Napi::Array::New(env, file.metadata().size());
  std::uint32_t index = 0;
  for (const auto& [name, value] : file.metadata()) {
    const Napi::HandleScope scope(env);
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::String::New(env, name));
    pair.Set(1u, Napi::String::New(env, value));
    metadata.Set(index++, pair);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("metadata", metadata);
  result.Set("tensors", tensors_of_file(env, file));
  return result;
}

Napi::Value read_header(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string path = text_argument(info, 0, "path");
    return start_job(info.Env(),
                     [path](Job&) -> Finish {
                       auto file = std::make_shared<SafetensorsFile>(SafetensorsFile::open(path));
                       return [file](Napi::Env env) { return header_value(env, *file); };
                     })
        .promise;
  });
}

// Memory that becomes a typed array's without a copy.
using Memory = std::unique_ptr<std::uint8_t[]>;

Napi::Value array_value(Napi::Env env, Memory& memory, std::size_t bytes, std::size_t elements,
                        napi_typedarray_type type) {
  napi_value buffer = nullptr;
  napi_status status = napi_no_external_buffers_allowed;
  if (bytes > 0) {
    status = napi_create_external_arraybuffer(
        env, memory.get(), bytes, [](napi_env, void* data, void*) { delete[] static_cast<std::uint8_t*>(data); },
        nullptr, &buffer);
    if (status == napi_ok) static_cast<void>(memory.release());
  }
  if (status != napi_ok) {  // a runtime whose array buffers live in a cage of their own
    void* data = nullptr;
    if (napi_create_arraybuffer(env, bytes, &data, &buffer) != napi_ok) throw std::bad_alloc();
    if (bytes > 0) std::memcpy(data, memory.get(), bytes);
  }
  napi_value array = nullptr;
  if (napi_create_typedarray(env, type, elements, buffer, 0, &array) != napi_ok) throw std::bad_alloc();
  return Napi::Value(env, array);
}

Napi::Value read_tensor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string path = text_argument(info, 0, "path"), name = text_argument(info, 1, "name");
    return start_job(info.Env(),
                     [path, name](Job&) -> Finish {
                       const SafetensorsFile file = SafetensorsFile::open(path);
                       const TensorEntry* entry = file.find(name);
                       if (entry == nullptr)
                         throw Error(
                             ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                             "Expected a tensor " + quoted(name) + " in " + path + " but received a file without it");
                       napi_typedarray_type type = napi_float32_array;
                       std::size_t width = sizeof(float);
                       if (entry->dtype == "U8" || entry->dtype == "BOOL") {
                         type = napi_uint8_array;
                         width = 1;
                       } else if (entry->dtype == "I8") {
                         type = napi_int8_array;
                         width = 1;
                       } else if (entry->dtype == "I32") {
                         type = napi_int32_array;
                       } else if (entry->dtype == "I64") {
                         type = napi_bigint64_array;
                         width = 8;
                       }
                       const auto elements = static_cast<std::size_t>(entry->elements());
                       const std::size_t bytes = elements * width;  // below 2^63: a tensor has fewer than 2^60 elements
                       auto memory = std::make_shared<Memory>(new std::uint8_t[bytes]);
                       if (type == napi_float32_array)
                         file.read_float32(*entry, reinterpret_cast<float*>(memory->get()));
                       else
                         file.read(*entry, memory->get(), 0, bytes);
                       return [memory, bytes, elements, type](Napi::Env env) {
                         return array_value(env, *memory, bytes, elements, type);
                       };
                     })
        .promise;
  });
}

// writeProgress(path) → [bytes done, bytes in all] | undefined
Napi::Value write_progress_value(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::optional<WriteProgress> progress = write_progress(text_argument(info, 0, "path"));
    if (!progress) return info.Env().Undefined();
    Napi::Array pair = Napi::Array::New(info.Env(), 2);
    pair.Set(0u, Napi::Number::New(info.Env(), static_cast<double>(progress->done)));
    pair.Set(1u, Napi::Number::New(info.Env(), static_cast<double>(progress->total)));
    return pair;
  });
}

}  // namespace

Napi::Array tensors_of_file(Napi::Env env, const SafetensorsFile& file) {
  Napi::Array tensors = Napi::Array::New(env, file.tensors().size());
  std::uint32_t index = 0;
  for (const TensorEntry& entry : file.tensors()) {
    const Napi::HandleScope scope(env);
    Napi::Array shape = Napi::Array::New(env, entry.shape.size());
    for (std::uint32_t axis = 0; axis < entry.shape.size(); ++axis)
      shape.Set(axis, Napi::Number::New(env, static_cast<double>(entry.shape[axis])));
    Napi::Object tensor = Napi::Object::New(env);
    tensor.Set("name", Napi::String::New(env, entry.name));
    tensor.Set("dtype", Napi::String::New(env, entry.dtype));
    tensor.Set("shape", shape);
    tensors.Set(index++, tensor);
  }
  return tensors;
}

void export_files(Napi::Env env, Napi::Object exports) {
  exports.Set("openSafetensors", Napi::Function::New(env, open_safetensors));
  exports.Set("readSafetensorsHeader", Napi::Function::New(env, read_header));
  exports.Set("readSafetensorsTensor", Napi::Function::New(env, read_tensor));
  exports.Set("writeProgress", Napi::Function::New(env, write_progress_value));
}

}  // namespace onelogit::addon
