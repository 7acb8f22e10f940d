// Values from JavaScript. Raw Node-API for typed arrays: node-addon-api's views do not accept SharedArrayBuffer-backed
// ones.

#include <cmath>

#include "addon/addon.h"

namespace onelogit::addon {
namespace {

[[noreturn]] void reject(const std::string& expected, const char* what, const std::string& received) {
  throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
              "Expected " + expected + " for " + what + " but received " + received);
}

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return "a boolean";
    case napi_number:
      return "a number";
    case napi_string:
      return "a string";
    case napi_function:
      return "a function";
    default:
      return value.IsTypedArray() ? "another typed array" : "an object";
  }
}

template <class T>
ArrayView<T> typed_array(const Napi::Value& value, napi_typedarray_type wanted, napi_typedarray_type also,
                         const char* name, const char* what) {
  if (!value.IsTypedArray()) reject(name, what, describe(value));
  napi_typedarray_type type = unknown_type;
  std::size_t length;
  void* data;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      (type != wanted && type != also))
    reject(name, what, describe(value));
  // A detached buffer has length 0 and no memory; the caller's length check then says what was expected.
  return {static_cast<T*>(data), data == nullptr ? 0 : length};
}

}  // namespace

ArrayView<float> float32_array(const Napi::Value& value, const char* what) {
  return typed_array<float>(value, napi_float32_array, napi_float32_array, "a Float32Array", what);
}
ArrayView<std::int32_t> int32_array(const Napi::Value& value, const char* what) {
  return typed_array<std::int32_t>(value, napi_int32_array, napi_int32_array, "an Int32Array", what);
}
ArrayView<std::uint16_t> uint16_array(const Napi::Value& value, const char* what) {
  return typed_array<std::uint16_t>(value, napi_uint16_array, napi_uint16_array, "a Uint16Array", what);
}
bool is_uint16_array(const Napi::Value& value) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint16_array;
}
ArrayView<std::uint8_t> uint8_array(const Napi::Value& value, const char* what) {
  return typed_array<std::uint8_t>(value, napi_uint8_array, napi_uint8_clamped_array, "a Uint8Array", what);
}

double number_field(const Napi::Object& object, const char* name, double otherwise) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsNumber()) reject("a number", name, describe(value));
  return value.As<Napi::Number>().DoubleValue();
}

std::int64_t integer_field(const Napi::Object& object, const char* name, std::int64_t otherwise) {
  const double value = number_field(object, name, static_cast<double>(otherwise));
  if (!(std::floor(value) == value) || std::abs(value) > 9007199254740991.0)
    reject("an integer", name, std::to_string(value));
  return static_cast<std::int64_t>(value);
}

bool boolean_field(const Napi::Object& object, const char* name, bool otherwise) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsBoolean()) reject("a boolean", name, describe(value));
  return value.As<Napi::Boolean>().Value();
}

std::string string_field(const Napi::Object& object, const char* name, const std::string& otherwise) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  if (!value.IsString()) reject("a string", name, describe(value));
  return value.As<Napi::String>().Utf8Value();
}

}  // namespace onelogit::addon
