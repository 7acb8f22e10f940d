// Work on threads of its own, with a promise. Not libuv's pool: a training run would hold one of its four threads for
// hours.
//
// Order at the end of an environment (process exit, worker.terminate()): Node runs clean-up hooks last in, first out.
// Every job adds its own hook after its thread-safe functions were made, so the thread is stopped and joined while they
// still exist. A thread therefore never calls into one that is gone.

#include <exception>
#include <system_error>

#include "addon/addon.h"

namespace onelogit::addon {
namespace {

struct RunningJob {
  explicit RunningJob(Napi::Env environment) : env(environment), deferred(Napi::Promise::Deferred::New(environment)) {}

  Napi::Env env;
  Napi::Promise::Deferred deferred;
  std::shared_ptr<Job> job = std::make_shared<Job>();
  std::vector<Napi::ObjectReference> keep;
  napi_threadsafe_function done = nullptr;
  bool queued = false;  // the call of `settle` is on its way; written before the thread ends
  Finish finish;
  std::exception_ptr error;
};

// The clean-up hook.
void stop(void* data) {
  auto* running = static_cast<RunningJob*>(data);
  running->job->cancel();
  if (running->job->thread.joinable()) running->job->thread.join();
  // Nobody will be told. What the result holds is given back here; references die with their environment.
  running->finish = nullptr;
  running->error = nullptr;
  for (Napi::ObjectReference& reference : running->keep) reference.SuppressDestruct();
  if (!running->queued) delete running;
}

void settle(const RunningJob& running) {
  try {
    if (running.error) std::rethrow_exception(running.error);
    running.deferred.Resolve(running.finish(running.env));
  } catch (const Napi::Error& error) {
    running.deferred.Reject(error.Value());
  } catch (const std::exception& error) {
    running.deferred.Reject(to_javascript(running.env, error).Value());
  }
}

// On the JavaScript thread; `env` is null when the environment ended after `stop`.
void finished(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<RunningJob> running(static_cast<RunningJob*>(data));
  if (env == nullptr) return;
  napi_remove_env_cleanup_hook(env, stop, running.get());
  try {
    Napi::HandleScope scope(env);
    if (running->job->thread.joinable()) running->job->thread.join();  // past its last statement that waits
    settle(*running);
    running->keep.clear();
    running->finish = nullptr;
  } catch (...) {
    // JavaScript is being terminated: there is nobody left to tell.
    for (Napi::ObjectReference& reference : running->keep) reference.SuppressDestruct();
  }
}

}  // namespace

void Job::cancel() {
  cancelled.store(true);
  if (wake) wake();
}

StartedJob start_job(Napi::Env env, std::function<Finish(Job&)> work, std::function<void()> wake,
                     std::vector<Napi::ObjectReference> keep) {
  auto owned = std::make_unique<RunningJob>(env);
  owned->job->wake = std::move(wake);
  owned->keep = std::move(keep);
  const Napi::String name = Napi::String::New(env, "onelogit job");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, finished,
                                      &owned->done) != napi_ok)
    throw Napi::Error::New(env);
  RunningJob* running = owned.release();
  StartedJob started{running->deferred.Promise(), running->job};
  napi_add_env_cleanup_hook(env, stop, running);
  try {
    running->job->thread = std::thread([running, work = std::move(work)]() mutable {
      const std::shared_ptr<Job> job = running->job;
      try {
        running->finish = work(*job);
      } catch (...) {
        running->error = std::current_exception();
      }
      work = nullptr;  // what it captured is released here, before the promise is settled
      const napi_threadsafe_function done = running->done;
      running->queued = true;
      const napi_status status = napi_call_threadsafe_function(done, running, napi_tsfn_nonblocking);
      if (status == napi_ok)
        napi_release_threadsafe_function(done, napi_tsfn_release);
      else
        running->queued = false;  // closing: `stop` is joining this thread
    });
  } catch (const std::system_error&) {
    napi_remove_env_cleanup_hook(env, stop, running);
    napi_release_threadsafe_function(running->done, napi_tsfn_abort);
    delete running;
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_THREAD",
                "Expected a new thread for this work but the system has none left");
  }
  return started;
}

}  // namespace onelogit::addon
