// Work on threads of its own, with a promise. Not libuv's pool: a training run would hold one of its four threads for
// hours.
//
// Order at the end of an environment (process exit, worker.terminate()): Node runs clean-up hooks last in, first out.
// Every job adds its own hook after its thread-safe functions were made, so the thread is stopped and joined while they
// still exist. A thread therefore never calls into one that is gone.
//
// process.exit() on the main thread runs no clean-up hooks: it calls exit(), and libraries are finalised (OpenBLAS
// frees its buffers) while threads still compute. An exit handler, which comes before that, stops and joins what is
// left. Handlers run last in, first out: what opens a library later (CUDA, after a job on the CPU) has ours run before
// the library's too.

#include <cstdlib>
#include <exception>
#include <mutex>
#include <set>
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

// The jobs of all environments. Never destroyed: it is used while the process ends.
struct Registry {
  std::mutex mutex;
  std::set<std::shared_ptr<Job>> jobs;
};
Registry& registry() {
  static auto* const all = new Registry;
  return *all;
}

void stop_all() {
  std::set<std::shared_ptr<Job>> jobs;
  {
    const std::lock_guard<std::mutex> lock(registry().mutex);
    jobs.swap(registry().jobs);
  }
  for (const auto& job : jobs) job->cancel();
  for (const auto& job : jobs)
    if (job->thread.joinable()) job->thread.join();
}

void add_to_registry(const std::shared_ptr<Job>& job) {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(stop_all); });
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().jobs.insert(job);
}

void remove_from_registry(const std::shared_ptr<Job>& job) {
  const std::lock_guard<std::mutex> lock(registry().mutex);
  registry().jobs.erase(job);
}

// The clean-up hook.
void stop(void* data) {
  auto* running = static_cast<RunningJob*>(data);
  remove_from_registry(running->job);
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
  remove_from_registry(running->job);
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

void stop_jobs_before_libraries() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit(stop_all); });
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
    add_to_registry(running->job);
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
  } catch (const std::exception& error) {
    napi_remove_env_cleanup_hook(env, stop, running);
    remove_from_registry(running->job);
    napi_release_threadsafe_function(running->done, napi_tsfn_abort);
    delete running;
    if (dynamic_cast<const std::system_error*>(&error) == nullptr) throw;  // no memory for one
    throw_no_thread();
  }
  return started;
}

}  // namespace onelogit::addon
