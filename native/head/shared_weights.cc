#include "head/shared_weights.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "error.h"

namespace onelogit {
namespace {

// Never destroyed: threads may use it while the process ends.
struct Registry {
  std::mutex mutex;
  std::condition_variable changed;  // something was loaded or replaced, or was not
  std::map<std::string, std::weak_ptr<SharedWeights>> by_key;
};
Registry& registry() {
  static auto* const all = new Registry;
  return *all;
}

std::string describe(const ClassifierWeights& weights) {
  return weights.trunk().architecture() + " to " + std::to_string(weights.matrix().classes()) + " classes";
}

void check_thresholds(const Generation& generation, SharedWeights::Thresholds thresholds) {
  if (thresholds == SharedWeights::Thresholds::required && generation.thresholds.empty())
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_RELOAD",
                "Expected a calibrated model for reload with requireThresholds but received one without thresholds: "
                "calibrate it first");
}

void check_replaces(const Generation& now, const Generation& next, SharedWeights::Thresholds thresholds) {
  const std::string expected = describe(*now.weights), received = describe(*next.weights);
  if (expected != received)
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_RELOAD",
                "Expected a model of the same architecture, " + expected + ", for reload but received " + received +
                    ": load it as a new classifier");
  check_thresholds(next, thresholds);
}

// Freed where they are let go of: smaller ones cost less than a thread.
constexpr std::int64_t large_matrix = std::int64_t{4} << 20;  // elements

void release(Generation* generation) {
  std::unique_ptr<Generation> last(generation);
  if (!last->weights || last->weights->matrix().classes() * last->weights->matrix().features() < large_matrix) return;
  try {
    std::thread([last = std::move(last)]() mutable { last.reset(); }).detach();
  } catch (const std::exception&) {
    // No thread to be had, or no memory for one: it was released here.
  }
}

}  // namespace

std::shared_ptr<Generation> Generation::shared(Generation described) {
  return {new Generation(std::move(described)), release};
}

std::uint64_t Generation::next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

std::uint64_t SharedWeights::next_order() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

// With the lock held, as the next four.
void SharedWeights::set(std::shared_ptr<const Generation> generation, const std::string& key, std::uint64_t order) {
  number_.store(generation->number, std::memory_order_release);
  current_ = std::move(generation);
  key_ = key;
  order_ = order;
}

std::shared_ptr<SharedWeights> SharedWeights::find(const std::string& key) {
  auto& by_key = registry().by_key;
  std::erase_if(by_key, [](const auto& entry) { return entry.second.expired(); });
  const auto found = by_key.find(key);
  return found == by_key.end() ? nullptr : found->second.lock();
}

void SharedWeights::forget(const std::string& key, const SharedWeights* shared) {
  auto& by_key = registry().by_key;
  const auto found = by_key.find(key);
  if (found != by_key.end() && found->second.lock().get() == shared) by_key.erase(found);
}

void SharedWeights::follow(std::shared_ptr<SharedWeights>& shared) {
  while (shared->merged_into_) {
    std::shared_ptr<SharedWeights> next = shared->merged_into_;
    shared = std::move(next);
  }
}

// Those merged into `shared` before come along: one that nobody asks would hold on to all that was merged since.
void SharedWeights::merge(const std::shared_ptr<SharedWeights>& shared, const std::shared_ptr<SharedWeights>& other) {
  std::erase_if(other->absorbed_, [](const auto& weak) { return weak.expired(); });
  other->absorbed_.reserve(other->absorbed_.size() + shared->absorbed_.size() + 1);
  // Nothing below throws.
  for (const auto& weak : shared->absorbed_)
    if (const auto absorbed = weak.lock()) {
      absorbed->merged_into_ = other;
      other->absorbed_.push_back(weak);
    }
  shared->absorbed_.clear();
  other->absorbed_.push_back(shared);
  shared->merged_into_ = other;
  shared->current_.reset();
  shared->number_.store(other->current_->number, std::memory_order_release);
}

std::shared_ptr<SharedWeights> SharedWeights::open(const std::string& key, std::uint64_t order, const Load& load,
                                                   bool& loaded) {
  loaded = false;
  Registry& all = registry();
  std::shared_ptr<SharedWeights> found;  // released after the lock
  std::unique_lock<std::mutex> lock(all.mutex);
  for (;;) {
    found = find(key);
    if (!found) break;
    if (found->current_) return found;
    all.changed.wait(lock);
  }
  auto made = std::make_shared<SharedWeights>();
  all.by_key[key] = made;
  lock.unlock();
  try {
    std::shared_ptr<const Generation> generation = load();
    lock.lock();
    made->set(std::move(generation), key, order);
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    forget(key, made.get());
    all.changed.notify_all();
    throw;
  }
  all.changed.notify_all();
  loaded = true;
  return made;
}

std::shared_ptr<SharedWeights> SharedWeights::alone(std::shared_ptr<const Generation> generation) {
  auto made = std::make_shared<SharedWeights>();
  const std::lock_guard<std::mutex> lock(registry().mutex);
  made->set(std::move(generation), "", 0);
  return made;
}

std::shared_ptr<const Generation> SharedWeights::current(std::shared_ptr<SharedWeights>& shared) {
  std::shared_ptr<SharedWeights> before = shared;  // released after the lock
  const std::lock_guard<std::mutex> lock(registry().mutex);
  follow(shared);
  return shared->current_;
}

void SharedWeights::replace(std::shared_ptr<SharedWeights> shared, const std::string& key, std::uint64_t order,
                            const Load& load, Thresholds thresholds) {
  Registry& all = registry();
  // Released after the lock.
  std::shared_ptr<const Generation> before, next;
  std::shared_ptr<SharedWeights> other, merged = shared;
  std::unique_lock<std::mutex> lock(all.mutex);
  for (;;) {
    follow(shared);
    if (!shared->replacing_) break;
    all.changed.wait(lock);
  }
  if (shared->key_ == key) {
    check_thresholds(*shared->current_, thresholds);
    shared->order_ = std::max(shared->order_, order);
    return;
  }
  if (order < shared->order_) return;
  shared->replacing_ = true;
  try {
    // Whoever has this key already, once it has been loaded.
    const auto find_other = [&] {
      while ((other = find(key)) && !other->current_) all.changed.wait(lock);
      return other != nullptr;
    };
    if (!find_other()) {
      lock.unlock();
      next = load();
      lock.lock();
      find_other();  // somebody may have been as fast
    }
    if (other) next = other->current_;
    check_replaces(*shared->current_, *next, thresholds);
    // Another may have been merged into this one by a file opened later.
    if (order >= shared->order_) {
      forget(shared->key_, shared.get());
      before = shared->current_;
      if (other) {
        other->order_ = std::max(other->order_, order);
        merge(shared, other);
      } else {
        all.by_key[key] = shared;
        shared->set(next, key, order);
      }
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    shared->replacing_ = false;
    all.changed.notify_all();
    throw;
  }
  shared->replacing_ = false;
  all.changed.notify_all();
}

}  // namespace onelogit
