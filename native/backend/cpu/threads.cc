// A fork-join pool: one job at a time, slices claimed by an atomic counter, workers that spin for a few tens of
// microseconds between jobs (a training step is a chain of operations of that length) and then sleep on a futex.

#include "backend/cpu/threads.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace onelogit {
namespace {

#ifdef __linux__
// What a container's processor quota amounts to, rounded up; 0 without one. Threads beyond it would be stopped in turn,
// the others spinning meanwhile.
int processors_in_quota() {
  long long quota = 0, period = 0;
  // Version 2 ("max 100000" without a quota, which does not parse), then version 1 (-1 without one).
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file >> quota >> period) {
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::min<long long>((quota + period - 1) / period, 1024));
}
#endif

int processors_allowed() {
  int allowed = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) allowed = std::max(1, CPU_COUNT(&set));
  if (const int quota = processors_in_quota(); quota > 0) allowed = std::min(allowed, quota);
#endif
  return std::min(allowed, 1024);
}

int configured_threads() {
  if (const char* text = std::getenv("ONELOGIT_THREADS")) {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && value >= 1 && value <= 1024) return static_cast<int>(value);
  }
  return processors_allowed();
}

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int spins_before_sleep = 4000;  // about 50 µs of pauses
constexpr int spins_before_yield = 20000;

class Pool {
 public:
  explicit Pool(int workers) {
    workers_.reserve(workers);
    try {
      for (int i = 0; i < workers; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
      // The system grants no more threads, or no memory for one: those there are, and the callers, do all the work.
    }
  }

  void run(int count, FunctionRef<void(int)> body) {
    // A second caller does its own work rather than wait: with one job at a time nobody can deadlock.
    if (inside_ || !owner_.try_lock()) {
      for (int slice = 0; slice < count; ++slice) body(slice);
      return;
    }
    std::unique_lock<std::mutex> lock(owner_, std::adopt_lock);
    inside_ = true;
    body_ = &body;
    pending_.store(count, std::memory_order_relaxed);
    // One word holds the job's number, its slice count and the next slice: a worker that wakes late cannot claim a
    // slice of one job by the bounds of another.
    const std::uint64_t job = ((ticket_.load(std::memory_order_relaxed) >> 32) + 1) & 0xffffffffU;
    ticket_.store(job << 32 | static_cast<std::uint64_t>(count) << 16, std::memory_order_release);
    generation_.store(static_cast<std::uint32_t>(job), std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) generation_.notify_all();
    claim_slices(job);
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      // A worker that was stopped in its slice may need this very processor to go on.
      if (spin < spins_before_yield) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
    inside_ = false;
    if (failed_.load(std::memory_order_relaxed)) {
      failed_.store(false, std::memory_order_relaxed);
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

 private:
  // An exception that left a worker's stack would end the process: the first one is kept for the caller, and the slices
  // that have not begun are not run.
  void run_slice(int slice) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      (*body_)(slice);
    } catch (...) {
      // Only one thread writes error_; the caller reads it when no slice is pending.
      if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
    }
  }

  void claim_slices(std::uint64_t job) {
    for (;;) {
      std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
      for (;;) {
        if (ticket >> 32 != job) return;
        const auto slice = static_cast<std::uint32_t>(ticket & 0xffff);
        if (slice >= (ticket >> 16 & 0xffff)) return;
        if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) {
          run_slice(static_cast<int>(slice));
          pending_.fetch_sub(1, std::memory_order_acq_rel);
          break;
        }
      }
    }
  }

  void work() {
    inside_ = true;
    std::uint32_t seen = 0;
    for (;;) {
      std::uint32_t now = generation_.load(std::memory_order_acquire);
      for (int spin = 0; now == seen && spin < spins_before_sleep; ++spin) {
        relax();
        now = generation_.load(std::memory_order_acquire);
      }
      if (now == seen) {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        generation_.wait(seen, std::memory_order_seq_cst);
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
        continue;
      }
      seen = now;
      claim_slices(now);
    }
  }

  static thread_local bool inside_;
  std::mutex owner_;
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<int> pending_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  const FunctionRef<void(int)>* body_ = nullptr;
  std::vector<std::thread> workers_;
};

thread_local bool Pool::inside_ = false;

Pool& pool() {
  // Never destroyed: its threads outlive static destruction at process exit.
  static Pool* const instance = new Pool(thread_count() - 1);
  return *instance;
}

}  // namespace

int thread_count() {
  static const int count = configured_threads();
  return count;
}

void parallel_slices(int count, FunctionRef<void(int slice)> body) {
  if (count <= 1 || thread_count() == 1) {
    for (int slice = 0; slice < count; ++slice) body(slice);
    return;
  }
  pool().run(count, body);
}

void parallel_for_each(std::int64_t count, FunctionRef<void(std::int64_t task)> body) {
  constexpr std::int64_t most = 65535;
  for (std::int64_t first = 0; first < count; first += most)
    parallel_slices(static_cast<int>(std::min(most, count - first)), [&](int slice) { body(first + slice); });
}

void parallel_for(std::int64_t n, std::int64_t grain, std::int64_t align,
                  FunctionRef<void(std::int64_t begin, std::int64_t end)> body) {
  if (n <= 0) return;
  std::int64_t runs = std::clamp<std::int64_t>(n / std::max<std::int64_t>(grain, 1), 1, thread_count());
  std::int64_t length = (n + runs - 1) / runs;
  length = (length + align - 1) / align * align;
  runs = (n + length - 1) / length;
  if (runs == 1) return body(0, n);
  parallel_slices(static_cast<int>(runs), [&](int slice) {
    const std::int64_t begin = slice * length;
    body(begin, std::min(n, begin + length));
  });
}

}  // namespace onelogit
