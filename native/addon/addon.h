// What the files of the addon share: per-environment state, conversion of arguments and errors, and work on threads of
// its own. Each exported area is one file with one `export_…` function, called by module.cc.
//
// Arguments have been checked by src/ (types, names, ranges a user can get wrong); what is checked again here is what
// memory safety rests on: lengths, kinds of typed arrays, detachment.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "error.h"

namespace onelogit::addon {

// ---- areas ----
void export_info(Napi::Env env, Napi::Object exports);
void export_losses(Napi::Env env, Napi::Object exports);
void export_linear_loss(Napi::Env env, Napi::Object exports);
void export_metrics(Napi::Env env, Napi::Object exports);
void export_glyphs(Napi::Env env, Napi::Object exports);
void export_files(Napi::Env env, Napi::Object exports);
void export_model(Napi::Env env, Napi::Object exports);
void export_classifier(Napi::Env env, Napi::Object exports);
void export_bench(Napi::Env env, Napi::Object exports);

// ---- errors ----
// The JavaScript error for a native one: TypeError, RangeError or the registered OneLogitError, with `code`.
Napi::Error to_javascript(Napi::Env env, const std::exception& error);

// Runs `body`; a native exception becomes a pending JavaScript one. Every exported function goes through this.
template <class Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw to_javascript(env, error);
  }
}

// ---- arguments ----
// What to set a type to before Node-API is asked for it: versions that do not know a kind of array (Float16Array)
// answer without saying which it is.
inline constexpr auto unknown_type = static_cast<napi_typedarray_type>(15);

// A view of a typed array's memory, valid until JavaScript runs again. Works for SharedArrayBuffer too. Throws a
// TypeError ERR_ONELOGIT_ARGUMENT naming `what` for another kind, or a detached buffer.
template <class T>
struct ArrayView {
  T* data;
  std::size_t length;
};
ArrayView<float> float32_array(const Napi::Value& value, const char* what);
ArrayView<std::int32_t> int32_array(const Napi::Value& value, const char* what);
ArrayView<std::uint16_t> uint16_array(const Napi::Value& value, const char* what);
bool is_uint16_array(const Napi::Value& value);
ArrayView<std::uint8_t> uint8_array(const Napi::Value& value, const char* what);  // Uint8Array or Uint8ClampedArray

// Object fields, with the default when undefined. Throw a TypeError ERR_ONELOGIT_ARGUMENT on another type.
double number_field(const Napi::Object& object, const char* name, double otherwise);
std::int64_t integer_field(const Napi::Object& object, const char* name, std::int64_t otherwise);
bool boolean_field(const Napi::Object& object, const char* name, bool otherwise);
std::string string_field(const Napi::Object& object, const char* name, const std::string& otherwise);

// ---- work off the event loop ----
// A running job of this environment. When the environment goes (process exit, worker.terminate()), every job is told to
// stop and its thread is joined before anything it uses is gone.
struct Job {
  std::atomic<bool> cancelled{false};
  std::function<void()> wake;  // called after `cancelled` was set, from the JavaScript thread: unblocks a waiting job
  std::thread thread;
  void cancel();  // JavaScript thread only
};

// Starts `work(job)` on a thread of its own and returns a promise. `work` returns a function that makes the promise's
// value on the JavaScript thread; an exception rejects it. What `work` captured is released on its thread, before the
// promise is settled: no references to JavaScript values in it; those go into `keep`, which is held until then (arrays
// whose memory the work uses).
using Finish = std::function<Napi::Value(Napi::Env)>;
struct StartedJob {
  Napi::Promise promise;
  std::shared_ptr<Job> job;
};
StartedJob start_job(Napi::Env env, std::function<Finish(Job&)> work, std::function<void()> wake = {},
                     std::vector<Napi::ObjectReference> keep = {});

// To be called when libraries were opened that have exit handlers of their own, on any thread: jobs are stopped before
// they end.
void stop_jobs_before_libraries();

// ---- per-environment state ----
struct EnvironmentState {
  Napi::FunctionReference error_class;  // OneLogitError, registered by src/native.ts
  Napi::FunctionReference model_class;  // NativeModel
};
EnvironmentState& state(Napi::Env env);

}  // namespace onelogit::addon
