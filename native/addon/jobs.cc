// Work on threads of its own, with a promise. Not libuv's pool: a training run would hold one of its four threads for
// hours.

#include <exception>

#include "addon/addon.h"

namespace onelogit::addon {
namespace {

struct Settlement {
  Napi::Promise::Deferred deferred;
  Finish finish;
  std::exception_ptr error;
  std::shared_ptr<Job> job;
};

void settle(Napi::Env env, Settlement& settlement) {
  Napi::HandleScope scope(env);
  if (settlement.job->thread.joinable()) settlement.job->thread.join();  // it is past its last statement that waits
  {
    EnvironmentState& environment = state(env);
    const std::lock_guard<std::mutex> lock(environment.jobs_mutex);
    environment.jobs.remove(settlement.job);
  }
  try {
    if (settlement.error) std::rethrow_exception(settlement.error);
    settlement.deferred.Resolve(settlement.finish(env));
  } catch (const Napi::Error& error) {
    settlement.deferred.Reject(error.Value());
  } catch (const std::exception& error) {
    settlement.deferred.Reject(to_javascript(env, error).Value());
  }
}

}  // namespace

StartedJob start_job(Napi::Env env, std::function<Finish(Job&)> work, std::function<void()> wake) {
  auto job = std::make_shared<Job>();
  job->wake = std::move(wake);
  auto* settlement = new Settlement{Napi::Promise::Deferred::New(env), {}, nullptr, job};
  const Napi::Promise promise = settlement->deferred.Promise();
  // The function is never called: the call-back below runs on the JavaScript thread with the settlement. Its
  // environment may be gone by then; the settlement is freed all the same.
  auto done = Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                            "onelogit job", 0, 1);
  {
    EnvironmentState& environment = state(env);
    const std::lock_guard<std::mutex> lock(environment.jobs_mutex);
    environment.jobs.push_back(job);
  }
  job->thread = std::thread([job, settlement, done, work = std::move(work)]() mutable {
    try {
      settlement->finish = work(*job);
    } catch (...) {
      settlement->error = std::current_exception();
    }
    work = nullptr;  // what it captured is released here, before the promise is settled
    job->finished.store(true);
    const napi_status status =
        done.NonBlockingCall(settlement, [](Napi::Env call_env, Napi::Function, Settlement* data) {
          const std::unique_ptr<Settlement> owned(data);
          if (static_cast<napi_env>(call_env) != nullptr) settle(call_env, *owned);
        });
    // The environment is closing: stop_jobs is joining this thread, nobody will be told. `settlement` holds references
    // into that environment, which may only be dropped on its thread: leave it.
    if (status == napi_ok) done.Release();
  });
  return {promise, job};
}

}  // namespace onelogit::addon
