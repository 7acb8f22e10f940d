// What was compiled, what is available, what is in use, and why.

#include "addon/addon.h"
#include "backend/backend.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/dispatch.h"
#include "backend/cpu/threads.h"

namespace onelogit::addon {
namespace {

// backendInfo() → { cpu: { blas, blasReason, simd, threads }, cuda: { compiled, reason } }. src/backend.ts makes the
// public object of it.
Napi::Value backend_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const BlasChoice& blas = blas_choice();
    Napi::Object cpu = Napi::Object::New(env);
    cpu.Set("blas", blas.name);
    cpu.Set("blasReason", blas.reason);
    cpu.Set("simd", std::string(simd_name()));
    cpu.Set("threads", thread_count());
    Napi::Object cuda = Napi::Object::New(env);
    cuda.Set("compiled", false);
    cuda.Set("reason", select_backend("auto").reason);
    Napi::Object result = Napi::Object::New(env);
    result.Set("cpu", cpu);
    result.Set("cuda", cuda);
    return result;
  });
}

}  // namespace

void export_info(Napi::Env env, Napi::Object exports) {
  exports.Set("backendInfo", Napi::Function::New(env, backend_info, "backendInfo"));
}

}  // namespace onelogit::addon
