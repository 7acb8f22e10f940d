#include "addon/opened_file.h"

#include <utility>

#include "addon/addon.h"
#include "addon/files.h"
#include "error.h"
#include "head/shared_weights.h"

namespace onelogit::addon {
namespace {

// Empty once closed.
using Handle = std::shared_ptr<const OpenedSafetensors>;
constexpr napi_type_tag handle_tag{0x6f6e656c6f676974, 0x6f70656e66696c65};

Napi::Value to_javascript(Napi::Env env, Handle opened) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("tensors", tensors_of_file(env, opened->file));
  const auto check = [env](napi_status status) {
    if (status != napi_ok) throw Napi::Error::New(env);
  };
  auto held = std::make_unique<Handle>(std::move(opened));
  check(napi_type_tag_object(env, object, &handle_tag));
  // Closed before it is garbage, which would keep its descriptor, of which a process has a thousand.
  object.Set("close", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
               return guarded(info.Env(), [&]() -> Napi::Value {
                 void* data = nullptr;
                 bool tagged = false;
                 if (info.This().IsObject() &&
                     napi_check_object_type_tag(info.Env(), info.This(), &handle_tag, &tagged) == napi_ok && tagged &&
                     napi_unwrap(info.Env(), info.This(), &data) == napi_ok)
                   static_cast<Handle*>(data)->reset();
                 return info.Env().Undefined();
               });
             }));
  check(napi_wrap(
      env, object, held.get(), [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); }, nullptr,
      nullptr));
  static_cast<void>(held.release());  // the object's now
  return object;
}

}  // namespace

Napi::Value open_safetensors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return start_job(info.Env(),
                     [path = info[0].ToString().Utf8Value()](Job&) -> Finish {
                       const std::uint64_t order = SharedWeights::next_order();
                       auto opened = std::make_shared<const OpenedSafetensors>(
                           OpenedSafetensors{order, SafetensorsFile::open(path)});
                       return [opened](Napi::Env env) { return to_javascript(env, opened); };
                     })
        .promise;
  });
}

std::shared_ptr<const OpenedSafetensors> opened_safetensors(const Napi::Value& value) {
  void* data = nullptr;
  bool tagged = false;
  if (!value.IsObject() || napi_check_object_type_tag(value.Env(), value, &handle_tag, &tagged) != napi_ok || !tagged ||
      napi_unwrap(value.Env(), value, &data) != napi_ok)
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected an opened safetensors file");
  Handle opened = *static_cast<const Handle*>(data);
  if (!opened)
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE",
                "Expected a file that is open but received one that was closed");
  return opened;
}

}  // namespace onelogit::addon
