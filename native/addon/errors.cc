#include <new>

#include "addon/addon.h"

namespace onelogit::addon {

Napi::Error to_javascript(Napi::Env env, const std::exception& error) {
  const auto* own = dynamic_cast<const Error*>(&error);
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
  const std::string code = own ? own->code() : memory ? "ERR_ONELOGIT_OUT_OF_MEMORY" : "ERR_ONELOGIT_INTERNAL";
  const std::string message =
      memory ? "Expected enough memory for this operation but the system has none left" : error.what();
  Napi::Error result;
  if (own && own->kind() == ErrorKind::type) {
    result = Napi::TypeError::New(env, message);
  } else if (own && own->kind() == ErrorKind::range) {
    result = Napi::RangeError::New(env, message);
  } else if (!state(env).error_class.IsEmpty()) {
    // new OneLogitError(code, message)
    const Napi::Object object =
        state(env).error_class.New({Napi::String::New(env, code), Napi::String::New(env, message)});
    result = Napi::Error(env, object);
  } else {
    result = Napi::Error::New(env, message);
  }
  result.Set("code", Napi::String::New(env, code));
  return result;
}

}  // namespace onelogit::addon
