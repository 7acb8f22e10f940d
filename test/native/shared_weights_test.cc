#include "head/shared_weights.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "error.h"
#include "small_run.h"

namespace onelogit {
namespace {

using namespace std::chrono_literals;
using Shared = std::shared_ptr<SharedWeights>;
using Made = std::shared_ptr<const Generation>;

// Weights whose every score is `value`, with a threshold of its own.
Made made(float value, std::int64_t classes = 3, std::int64_t features = 4) {
  ModelSpec spec;
  spec.input_shape = {features};
  spec.layers.emplace_back();
  spec.layers.back().type = "dense";
  spec.layers.back().units = classes;
  Model model(spec, cpu_backend());
  auto& tensors = model.tensors();
  std::vector<float> weight(static_cast<std::size_t>(classes * features)),
      bias(static_cast<std::size_t>(classes), value);
  upload_float32(cpu_backend(), tensors[0], 0, classes * features, weight.data());
  upload_float32(cpu_backend(), tensors[1], 0, classes, bias.data());
  auto generation = Generation::shared({});
  generation->weights = ClassifierWeights::snapshot(model, cpu_backend(), std::nullopt);
  generation->thresholds.assign(static_cast<std::size_t>(classes), value);
  return generation;
}

float value_of(Shared& shared) { return SharedWeights::current(shared)->thresholds.front(); }

Shared open(const std::string& key, float value) {
  bool loaded = false;
  return SharedWeights::open(
      key, SharedWeights::next_order(), [&] { return made(value); }, loaded);
}

void replace(const Shared& shared, const std::string& key, float value) {
  SharedWeights::replace(shared, key, SharedWeights::next_order(), [&] { return made(value); });
}

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

TEST_CASE("shared weights: many threads that open one key load it once") {
  std::atomic<int> loads{0}, told{0};
  std::vector<Shared> all(8);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i)
    threads.emplace_back([&, i] {
      bool loaded = false;
      all[i] = SharedWeights::open(
          "once", SharedWeights::next_order(),
          [&] {
            ++loads;
            std::this_thread::sleep_for(20ms);
            return made(1);
          },
          loaded);
      told += loaded;
    });
  for (auto& thread : threads) thread.join();
  CHECK(loads == 1);
  CHECK(told == 1);
  for (const Shared& shared : all) CHECK(shared == all.front());
  // Once nobody has them, they are loaded again.
  all.clear();
  bool loaded = false;
  const Shared again = SharedWeights::open(
      "once", SharedWeights::next_order(), [] { return made(2); }, loaded);
  CHECK(loaded);
}

TEST_CASE("shared weights: who waits for a load that fails tries for itself") {
  std::atomic<int> loads{0}, failures{0};
  std::vector<Shared> all(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < all.size(); ++i)
    threads.emplace_back([&, i] {
      bool loaded = false;
      failures += code_of([&] {
                    all[i] = SharedWeights::open(
                        "fails twice", SharedWeights::next_order(),
                        [&]() -> Made {
                          const int load = ++loads;
                          std::this_thread::sleep_for(5ms);
                          if (load <= 2) throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE", "gone");
                          return made(1);
                        },
                        loaded);
                  }) == "ERR_ONELOGIT_FILE";
    });
  for (auto& thread : threads) thread.join();
  CHECK(failures == 2);
  CHECK(loads == 3);
}

TEST_CASE("shared weights: a replacement moves all, a refused one nobody") {
  Shared one = open("first", 1), two = open("first", 99);
  CHECK(one == two);
  const std::uint64_t number = one->number();
  replace(one, "second", 2);
  CHECK(value_of(two) == 2);
  CHECK(two->number() != number);
  // They have the new key now, and not the old one.
  CHECK(open("second", 99) == two);
  Shared other = open("first", 3);
  CHECK(value_of(other) == 3);

  const std::uint64_t kept = two->number();
  CHECK(code_of([&] {
          SharedWeights::replace(two, "wider", SharedWeights::next_order(), [] { return made(4, 3, 5); });
        }) == "ERR_ONELOGIT_RELOAD");
  CHECK(code_of([&] {
          SharedWeights::replace(two, "more", SharedWeights::next_order(), [] { return made(4, 4, 4); });
        }) == "ERR_ONELOGIT_RELOAD");
  CHECK(code_of([&] {
          SharedWeights::replace(two, "broken", SharedWeights::next_order(),
                                 []() -> Made { throw Error(ErrorKind::operation, "ERR_ONELOGIT_FILE", "gone"); });
        }) == "ERR_ONELOGIT_FILE");
  CHECK(value_of(two) == 2);
  CHECK(two->number() == kept);
  // The same key again loads nothing.
  SharedWeights::replace(two, "second", SharedWeights::next_order(), []() -> Made {
    FAIL("loaded what is in use");
    return nullptr;
  });
}

TEST_CASE("shared weights: replaced by what others have, they become one") {
  Shared one = open("a", 1), also_one = one, two = open("b", 2);
  SharedWeights::replace(one, "b", SharedWeights::next_order(), []() -> Made {
    FAIL("loaded what is in memory");
    return nullptr;
  });
  CHECK(value_of(one) == 2);
  CHECK(one == two);
  CHECK(also_one->number() == two->number());  // asks again, and follows
  replace(two, "c", 3);
  CHECK(value_of(also_one) == 3);
  CHECK(also_one == two);
}

TEST_CASE("shared weights: of two files the one opened later stays") {
  Shared shared = open("v1", 1);
  const std::uint64_t earlier = SharedWeights::next_order();
  replace(shared, "v3", 3);
  SharedWeights::replace(shared, "v2", earlier, [] { return made(2); });
  CHECK(value_of(shared) == 3);
}

TEST_CASE("shared weights: answers are of one generation while others replace it") {
  const int rounds = test::small_run() ? 60 : 500;
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> mixed{0}, asked{0}, seen{0};
  const Shared start = open("race 0", 0);
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 3; ++reader)
    threads.emplace_back([&] {
      Shared shared = start;
      std::uint64_t number = 0;
      Made generation;
      const std::vector<float> features(4);
      while (!stop) {
        if (shared->number().load() != number) {
          generation = SharedWeights::current(shared);
          number = generation->number;
          ++seen;
        }
        for (std::int64_t c = 0; c < 3; ++c)
          mixed += generation->weights->matrix().score(features.data(), c) !=
                   generation->thresholds[static_cast<std::size_t>(c)];
        ++asked;
      }
    });
  for (int writer = 0; writer < 2; ++writer)
    threads.emplace_back([&, writer] {
      for (int round = 1; round <= rounds; ++round)
        replace(start, "race " + std::to_string(round % 5 * 2 + writer), static_cast<float>(round));
      if (writer == 0) return;
      std::this_thread::sleep_for(5ms);
      stop = true;
    });
  for (auto& thread : threads) thread.join();
  CHECK(mixed == 0);
  CHECK(asked > 0);
  CHECK(seen > 3);
}

TEST_CASE("shared weights: what nobody uses any more is freed") {
  std::weak_ptr<const Generation> watched;
  Shared shared;
  {
    const Made generation = made(1);
    watched = generation;
    shared = SharedWeights::alone(generation);
  }
  Made held = SharedWeights::current(shared);
  replace(shared, "freed", 2);
  CHECK_FALSE(watched.expired());
  held.reset();
  CHECK(watched.expired());
}

TEST_CASE("shared weights: large ones are freed by another thread, whoever lets go of them") {
  for (const bool large : {false, true}) {
    std::atomic<bool> freed{false};
    std::thread::id thread;
    const Made kept = made(1, large ? 1024 : 3, 4096);
    auto generation = Generation::shared({});
    generation->weights = {kept->weights.get(), [&](const ClassifierWeights*) {
                             thread = std::this_thread::get_id();
                             freed = true;
                           }};
    generation.reset();
    for (int wait = 0; wait < 1000 && !freed; ++wait) std::this_thread::sleep_for(1ms);
    REQUIRE(freed);
    CHECK((thread == std::this_thread::get_id()) != large);
  }
}

TEST_CASE("shared weights: one that nobody asks does not hold on to those it would have followed") {
  Shared idle = open("chain 0", 0), busy = idle;
  std::vector<std::weak_ptr<SharedWeights>> passed;
  for (int step = 1; step <= 20; ++step) {
    const std::string key = "chain " + std::to_string(step);
    Shared candidate = open(key, static_cast<float>(step));  // as a service that looks at a file before it reloads it
    replace(busy, key, 0);
    CHECK(value_of(busy) == step);
    passed.push_back(candidate);
  }
  busy.reset();
  std::size_t held = 0;
  for (const auto& each : passed) held += !each.expired();
  CHECK(held == 1);
  CHECK(value_of(idle) == 20);
}

TEST_CASE("shared weights: united by a file opened later, they keep it") {
  Shared one = open("united 1", 1), two = open("united 2", 2);
  const std::uint64_t earlier = SharedWeights::next_order();
  replace(one, "united 2", 0);
  SharedWeights::replace(two, "united 3", earlier, [] { return made(3); });
  CHECK(value_of(two) == 2);

  // Also while the other file is being loaded.
  Shared three = open("united 4", 4);
  SharedWeights::replace(two, "united 5", SharedWeights::next_order(), [&] {
    replace(three, "united 2", 0);
    return made(5);
  });
  CHECK(value_of(two) == 2);
  CHECK(value_of(three) == 2);
}

TEST_CASE("shared weights: thresholds are required of the file in use, too") {
  const auto bare = [] {
    auto generation = Generation::shared({});
    generation->weights = made(1)->weights;
    return generation;
  };
  bool loaded = false;
  const Shared shared = SharedWeights::open("bare", SharedWeights::next_order(), bare, loaded);
  CHECK(code_of([&] {
          SharedWeights::replace(shared, "bare", SharedWeights::next_order(), bare,
                                 SharedWeights::Thresholds::required);
        }) == "ERR_ONELOGIT_RELOAD");
  SharedWeights::replace(shared, "bare", SharedWeights::next_order(), bare);
}

}  // namespace
}  // namespace onelogit
