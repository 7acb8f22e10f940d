#include "addon/turns.h"

#include <condition_variable>
#include <list>
#include <mutex>

#include "addon/scorer.h"
#include "backend/cpu/threads.h"

namespace onelogit::addon {
namespace {

// A condition of its own for each, so that the end of a turn wakes one thread and not a thousand.
struct Waiting {
  std::condition_variable changed;
  bool called = false;  // no longer among those that wait: the turn is its own
};

// Of the whole process. Never destroyed: jobs may end while the process does.
struct Turns {
  std::mutex mutex;
  int free = thread_count();
  std::list<Waiting*> waiting;
};
Turns& turns() {
  static auto* const all = new Turns;
  return *all;
}

}  // namespace

Turn::Turn(const Job& job, const char* what) {
  Turns& all = turns();
  std::unique_lock<std::mutex> lock(all.mutex);
  if (all.free > 0) {
    --all.free;
    return;
  }
  Waiting self;
  const auto place = all.waiting.insert(all.waiting.end(), &self);
  self.changed.wait(lock, [&] { return self.called || job.cancelled.load(); });
  if (self.called) return;
  all.waiting.erase(place);
  throw_cancelled(what);
}

Turn::~Turn() {
  Turns& all = turns();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (all.waiting.empty()) {
    ++all.free;
    return;
  }
  Waiting& next = *all.waiting.front();
  all.waiting.pop_front();
  next.called = true;
  next.changed.notify_one();
}

void wake_turns() {
  Turns& all = turns();
  const std::lock_guard<std::mutex> lock(all.mutex);
  for (Waiting* const waiting : all.waiting) waiting->changed.notify_one();
}

}  // namespace onelogit::addon
