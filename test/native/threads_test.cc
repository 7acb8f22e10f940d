#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "backend/cpu/threads.h"
#include "error.h"
#include "small_run.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

TEST_CASE("parallel_for visits every element once, in aligned runs, at most one run per thread") {
  for (const std::int64_t n : {0, 1, 2, 15, 16, 17, 1000, 100'003})
    for (const std::int64_t grain : {1, 7, 1000})
      for (const std::int64_t align : {1, 16, 64}) {
        std::vector<std::atomic<int>> visits(n);
        std::atomic<int> runs{0}, bad{0};
        parallel_for(n, grain, align, [&](std::int64_t begin, std::int64_t end) {
          ++runs;
          if (begin >= end || begin % align != 0 || (end % align != 0 && end != n)) ++bad;
          for (std::int64_t i = begin; i < end; ++i) ++visits[i];
        });
        CAPTURE(n);
        CAPTURE(grain);
        CAPTURE(align);
        CHECK(bad == 0);
        CHECK(runs <= thread_count());
        std::int64_t wrong = 0;
        for (const auto& visit : visits) wrong += visit != 1;
        CHECK(wrong == 0);
      }
}

TEST_CASE("every slice runs once, for slice counts around and far above the thread count") {
  for (const int count : {0, 1, 2, 3, 7, 64, 5000, 65535}) {
    std::vector<std::atomic<int>> visits(count);
    parallel_slices(count, [&](int slice) { ++visits[slice]; });
    int wrong = 0;
    for (const auto& visit : visits) wrong += visit != 1;
    CAPTURE(count);
    CHECK(wrong == 0);
  }
}

TEST_CASE("many regions in a row, some after a pause long enough for workers to sleep") {
  const int regions = test::small_run() ? 2000 : 50'000;
  std::int64_t total = 0;
  std::vector<std::int64_t> parts(8);
  for (int region = 0; region < regions; ++region) {
    if (region % (regions / 10) == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // Plain memory: the pool itself must order these writes before the reads that follow.
    parallel_slices(8, [&](int slice) { parts[slice] = region + slice; });
    for (const std::int64_t part : parts) total += part;
  }
  const std::int64_t n = regions;
  CHECK(total == 8 * (n * (n - 1) / 2) + 28 * n);
}

TEST_CASE("nested calls run on the thread that makes them") {
  std::atomic<int> inner{0}, elsewhere{0};
  for (int repeat = 0; repeat < 50; ++repeat)
    parallel_slices(6, [&](int) {
      const auto self = std::this_thread::get_id();
      parallel_slices(5, [&](int) {
        ++inner;
        if (std::this_thread::get_id() != self) ++elsewhere;
        parallel_for(100, 1, 1, [&](std::int64_t begin, std::int64_t end) { inner += static_cast<int>(end - begin); });
      });
    });
  CHECK(inner == 50 * 6 * 5 * 101);
  CHECK(elsewhere == 0);
}

TEST_CASE("callers on several threads at once each get their own work done") {
  constexpr int callers = 8;
  const int regions = test::small_run() ? 200 : 3000;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < callers; ++caller)
    threads.emplace_back([&, caller] {
      std::vector<int> results(37);
      for (int region = 0; region < regions; ++region) {
        const int count = 1 + (region + caller) % 37;
        parallel_slices(count, [&](int slice) { results[slice] = caller * 1'000'000 + region * 100 + slice; });
        for (int slice = 0; slice < count; ++slice)
          wrong += results[slice] != caller * 1'000'000 + region * 100 + slice;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("what a slice throws reaches the caller, on whichever thread it ran, and the pool goes on") {
  std::atomic<int> elsewhere{0};
  const auto self = std::this_thread::get_id();
  for (int repeat = 0; repeat < 200; ++repeat) {
    // All threads are held until each slice has its thread, so that slices of workers throw, too.
    const int count = thread_count();
    std::atomic<int> begun{0};
    CHECK_THROWS_AS(parallel_slices(count,
                                    [&](int) {
                                      ++begun;
                                      if (std::this_thread::get_id() != self) ++elsewhere;
                                      for (int wait = 0; begun < count && wait < 1000; ++wait)
                                        std::this_thread::sleep_for(std::chrono::microseconds(10));
                                      throw std::bad_alloc();
                                    }),
                    std::bad_alloc);
    std::atomic<int> done{0};
    parallel_slices(64, [&](int) { ++done; });
    CHECK(done == 64);
  }
  if (thread_count() > 1) CHECK(elsewhere > 0);
}

TEST_CASE("one slice of many throws: its exception and no other, and no slice runs after the call") {
  for (const int bad : {0, 1, 31, 63})
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<int> done{0};
      std::string message;
      try {
        parallel_for_each(64, [&](std::int64_t task) {
          if (task == bad) throw Error(ErrorKind::operation, "ERR_ONELOGIT_TEST", "task " + std::to_string(task));
          ++done;
        });
      } catch (const Error& error) {
        message = error.what();
      }
      CHECK(message == "task " + std::to_string(bad));
      const int then = done;
      CHECK(then < 64);
      std::this_thread::yield();
      CHECK(done == then);
    }
}

TEST_CASE("memory that cannot be had in a slice, in a nested call, and by several callers at once") {
  std::vector<std::thread> threads;
  std::atomic<int> caught{0};
  for (int caller = 0; caller < 4; ++caller)
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) try {
          parallel_slices(8, [&](int) {
            parallel_for(100, 1, 1,
                         [&](std::int64_t, std::int64_t) { const Buffer memory(cpu_backend(), std::size_t{1} << 60); });
          });
        } catch (const std::exception&) {
          ++caught;
        }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(caught == 200);
}

}  // namespace
}  // namespace onelogit
