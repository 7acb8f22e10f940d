// What was compiled, what is available, what is in use, and why.

#include "addon/addon.h"
#include "backend/cpu/blas.h"
#include "backend/cpu/kernels/dispatch.h"
#include "backend/cpu/threads.h"
#include "backend/cuda.h"

namespace onelogit::addon {
namespace {

// backendInfo() → { cpu: { blas, blasReason, simd, threads }, cuda: { compiled, architectures, available, reason,
// devices, runtime, driver, cublas } }. src/backend.ts makes the public object of it.
Napi::Value backend_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const BlasChoice& blas = blas_choice();
    Napi::Object cpu = Napi::Object::New(env);
    cpu.Set("blas", blas.name);
    cpu.Set("blasReason", blas.reason);
    cpu.Set("simd", std::string(simd_name()));
    cpu.Set("threads", thread_count());
    const CudaState& state = cuda_state();
    Napi::Object cuda = Napi::Object::New(env);
    cuda.Set("compiled", state.compiled);
    cuda.Set("architectures", state.architectures);
    cuda.Set("available", state.available);
    cuda.Set("reason", state.reason);
    cuda.Set("runtime", state.runtime);
    cuda.Set("driver", state.driver);
    cuda.Set("cublas", state.cublas);
    Napi::Array devices = Napi::Array::New(env, state.devices.size());
    for (std::uint32_t i = 0; i < state.devices.size(); ++i) {
      const CudaDevice& found = state.devices[i];
      Napi::Object device = Napi::Object::New(env);
      device.Set("name", found.name);
      device.Set("memoryBytes", static_cast<double>(found.memory_bytes));
      device.Set("computeCapability", std::to_string(found.major) + "." + std::to_string(found.minor));
      devices.Set(i, device);
    }
    cuda.Set("devices", devices);
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
