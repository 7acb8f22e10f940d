#include "addon/composed_files.h"

#include "addon/addon.h"
#include "tensor/class_storage.h"

namespace onelogit::addon {
namespace {

Napi::Array array_of(const Napi::Value& value, const char* what) {
  if (!value.IsArray())
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
                std::string("Expected an array for ") + what + " but received something else");
  return value.As<Napi::Array>();
}

std::string dtype_of(const std::string& type) {
  for (const ClassStorage storage : {ClassStorage::float32, ClassStorage::bfloat16, ClassStorage::int8})
    if (type == storage_name(storage)) return storage_dtype(storage);
  throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
              "Expected 'float32', 'bfloat16' or 'int8' for the type of a tensor but received '" + type + "'");
}

Segment segment_from_javascript(const Napi::Value& value) {
  Segment segment;
  if (value.IsTypedArray()) {
    const ArrayView<std::uint8_t> bytes = uint8_array(value, "a segment of a file");
    segment.bytes.assign(bytes.data, bytes.data + bytes.length);
    return segment;
  }
  const Napi::Object object = value.ToObject();
  segment.tensor = string_field(object, "tensor", "");
  if (segment.tensor.empty())
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected the name of a tensor for a segment of a file");
  segment.dtype = dtype_of(string_field(object, "type", ""));
  segment.byte_length = static_cast<std::uint64_t>(integer_field(object, "byteLength", 0));
  segment.channels = integer_field(object, "channels", 1);
  segment.pixels = integer_field(object, "pixels", 1);
  return segment;
}

}  // namespace

std::vector<ComposedFile> composed_files_from_javascript(const Napi::Value& value) {
  std::vector<ComposedFile> files;
  const Napi::Array list = array_of(value, "files");
  for (std::uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::HandleScope scope(value.Env());
    const Napi::Object object = list.Get(i).ToObject();
    ComposedFile file{string_field(object, "path", ""), {}};
    const Napi::Array segments = array_of(object.Get("segments"), "the segments of a file");
    for (std::uint32_t j = 0; j < segments.Length(); ++j) {
      const Napi::HandleScope inner(value.Env());
      file.segments.push_back(segment_from_javascript(segments.Get(j)));
    }
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace onelogit::addon
