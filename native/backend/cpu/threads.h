// The pool that every heavy CPU operation uses. Slices are cut by thread count alone, never by who runs them, so
// results are deterministic for a given thread count.
#pragma once

#include <cstdint>
#include <type_traits>

namespace onelogit {

// A non-owning reference to a callable: no allocation per call.
template <class Signature>
class FunctionRef;
template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, Arguments... arguments) -> Result {
          return (*static_cast<std::remove_reference_t<F>*>(object))(arguments...);
        }) {}
  Result operator()(Arguments... arguments) const { return call_(object_, arguments...); }

 private:
  void* object_;
  Result (*call_)(void*, Arguments...);
};

// Threads that work on one operation, the calling one included: the processors this process may run on (by affinity and
// by its container's quota), or $ONELOGIT_THREADS (1 … 1024). Fixed at first use.
int thread_count();

// Runs body(slice) for every slice in [0, count), count < 65536, on the pool and the calling thread; returns when all
// are done. If the pool is busy with another caller's work, or this is a nested call, the calling thread runs all
// slices itself. When a slice throws, std::bad_alloc say, those that have not begun are not run, and the exception of
// the first that threw leaves here when nothing runs any more.
void parallel_slices(int count, FunctionRef<void(int slice)> body);

// The same for any count: for tasks whose number does not depend on who runs them, each claimed alone, so that a thread
// that is held up leaves more to the others.
void parallel_for_each(std::int64_t count, FunctionRef<void(std::int64_t task)> body);

// Cuts [0, n) into at most thread_count() runs of at least `grain` elements, each but the last a multiple of `align`,
// and runs body(begin, end) on them. One run: no hand-over to the pool.
void parallel_for(std::int64_t n, std::int64_t grain, std::int64_t align,
                  FunctionRef<void(std::int64_t begin, std::int64_t end)> body);

}  // namespace onelogit
