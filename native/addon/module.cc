// The addon's entry: registers every area, and keeps the library mapped for as long as the process lives.

#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#endif
#include <dlfcn.h>

#include "addon/addon.h"
#include "addon/build_stamp.h"

namespace onelogit::addon {
namespace {

// Node unloads an addon when the last environment that loaded it ends (a worker thread, say). Our pool's threads would
// then run unmapped code: stay.
void stay_loaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&stay_loaded), &info) != 0 && info.dli_fname != nullptr)
    dlopen(info.dli_fname, RTLD_LAZY | RTLD_NODELETE);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  auto* environment = new EnvironmentState;
  env.SetInstanceData(environment);
  exports.Set("setErrorClass", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                state(info.Env()).error_class = Napi::Persistent(info[0].As<Napi::Function>());
              }));
  exports.Set("buildStamp", build_stamp());
  export_info(env, exports);
  export_losses(env, exports);
  export_linear_loss(env, exports);
  export_metrics(env, exports);
  export_glyphs(env, exports);
  export_files(env, exports);
  export_model(env, exports);
  export_classifier(env, exports);
  export_bench(env, exports);
  return exports;
}

NODE_API_MODULE(onelogit, initialise)

}  // namespace

EnvironmentState& state(Napi::Env env) { return *env.GetInstanceData<EnvironmentState>(); }

}  // namespace onelogit::addon
