// Records of a run: which steps each is about, and that resuming, failing and cancelling lose and repeat none.
#include "train/records.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "error.h"
#include "training_data.h"

namespace onelogit {
namespace {

using namespace test;
using Kind = TrainRecord::Kind;

// Collects what `train` records.
std::vector<TrainRecord> records_of(const TrainOptions& options, TrainHooks hooks = {}) {
  std::vector<TrainRecord> records;
  hooks.record = [&](const TrainRecord& record) { records.push_back(record); };
  Model model(small_network(8, 4), cpu_backend());
  try {
    train(model, options, hooks);
  } catch (const std::exception&) {
  }
  return records;
}

TrainOptions recorded_options(std::int64_t steps, std::int64_t every) {
  TrainOptions options = small_options(std::make_shared<MemorySource>(150, 8, 4, 3));
  options.steps = steps;
  options.record_every = every;
  return options;
}

std::vector<TrainRecord> of_kind(const std::vector<TrainRecord>& records, Kind kind) {
  std::vector<TrainRecord> found;
  for (const TrainRecord& record : records)
    if (record.kind == kind) found.push_back(record);
  return found;
}

// Every step from `first` + 1 to the last record's is in exactly one record.
void check_each_step_once(const std::vector<TrainRecord>& steps, std::int64_t first, std::int64_t last) {
  for (const TrainRecord& record : steps) {
    CHECK(record.over_steps >= 1);
    CHECK(record.step - record.over_steps == first);
    first = record.step;
  }
  CHECK(first == last);
}

TEST_CASE("records: means over the steps between multiples of record_every, and the rest at the end") {
  const auto single = of_kind(records_of(recorded_options(107, 1)), Kind::steps);
  REQUIRE(single.size() == 107);
  TrainOptions options = recorded_options(107, 25);
  options.schedule.kind = ScheduleSpec::Kind::cosine;
  options.optimizer.learning_rate = 0.05;
  const auto records = records_of(options);
  REQUIRE(records.size() == 6);
  CHECK(records.front().kind == Kind::begin);
  CHECK(records.front().step == 0);
  const auto steps = of_kind(records, Kind::steps);
  check_each_step_once(steps, 0, 107);
  CHECK(steps.back().over_steps == 7);
  double seconds = 0;
  for (const TrainRecord& record : steps) {
    CHECK(record.learning_rate == doctest::Approx(0.05 * options.schedule.multiple(record.step - 1, 107)));
    CHECK(record.seconds > seconds);
    CHECK(record.examples_per_second ==
          doctest::Approx(static_cast<double>(record.over_steps * 32) / (record.seconds - seconds)));
    seconds = record.seconds;
  }
  const auto constant = of_kind(records_of(recorded_options(107, 25)), Kind::steps);
  for (const TrainRecord& record : constant) {
    double loss = 0, accuracy = 0;
    for (std::int64_t step = record.step - record.over_steps; step < record.step; ++step) {
      loss += single[static_cast<std::size_t>(step)].loss;
      accuracy += single[static_cast<std::size_t>(step)].accuracy;
    }
    CHECK(record.loss == doctest::Approx(loss / static_cast<double>(record.over_steps)));
    CHECK(record.accuracy == doctest::Approx(accuracy / static_cast<double>(record.over_steps)));
  }
}

TEST_CASE("records: the same numbers on every run, and the same weights as without records") {
  const auto first = records_of(recorded_options(90, 20)), second = records_of(recorded_options(90, 20));
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].step == second[i].step);
    CHECK(first[i].loss == second[i].loss);
    CHECK(first[i].accuracy == second[i].accuracy);
  }
  TrainOptions options = recorded_options(90, 20);
  Model recorded(small_network(8, 4), cpu_backend()), plain(small_network(8, 4), cpu_backend());
  TrainHooks hooks;
  hooks.record = [](const TrainRecord&) {};
  train(recorded, options, hooks);
  train(plain, recorded_options(90, 0), {});
  CHECK(same_bits(tensors_of(recorded), tensors_of(plain)));
}

TEST_CASE("records: none without record_every or without anybody who wants them") {
  CHECK(records_of(recorded_options(30, 0)).empty());
}

TEST_CASE("records: every validation, also between two records of steps") {
  TrainOptions options = recorded_options(40, 20);
  options.validation = std::make_shared<MemorySource>(50, 8, 4, 9);
  options.validate_every = 15;
  const auto records = records_of(options);
  std::vector<std::pair<std::int64_t, bool>> order;  // step, whether it is a validation
  for (const TrainRecord& record : records)
    if (record.kind != Kind::begin) order.emplace_back(record.step, record.kind == Kind::validation);
  CHECK(order ==
        std::vector<std::pair<std::int64_t, bool>>{{15, true}, {20, false}, {30, true}, {40, false}, {40, true}});
  const auto validations = of_kind(records, Kind::validation);
  CHECK(validations.back().accuracy > 0.5);
  CHECK(std::isfinite(validations.back().loss));
}

TEST_CASE("records: after a resume they are those of a run that was never stopped") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("onelogit-records-" + std::to_string(getpid()))).string();
  TrainOptions options = recorded_options(100, 30);
  options.checkpoint_path = path;
  options.checkpoint_every = 40;
  const auto whole = of_kind(records_of(options), Kind::steps);
  // Every checkpoint ends a record: 30, 40, 60, 80, 90, 100.
  REQUIRE(whole.size() == 6);
  check_each_step_once(whole, 0, 100);
  // As if it had been killed after step 40's checkpoint: run to 40, resume to 100.
  options.steps = 40;
  records_of(options);
  options.steps = 100;
  options.resume_path = path;
  const auto resumed = records_of(options);
  REQUIRE(resumed.size() == 5);
  CHECK(resumed[0].kind == Kind::begin);
  CHECK(resumed[0].step == 40);
  for (std::size_t i = 1; i < resumed.size(); ++i) {
    CHECK(resumed[i].step == whole[i + 1].step);
    CHECK(resumed[i].over_steps == whole[i + 1].over_steps);
    CHECK(resumed[i].loss == whole[i + 1].loss);
    CHECK(resumed[i].accuracy == whole[i + 1].accuracy);
  }
  std::remove(path.c_str());
}

TEST_CASE("records: a cancelled run has recorded all of its steps, and goes on after them") {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("onelogit-cancelled-" + std::to_string(getpid()))).string();
  TrainOptions options = recorded_options(200, 7);
  const auto source = std::make_shared<StreamSource>(150, 8, 4, 3);
  source->delay = std::chrono::milliseconds(3);
  options.training = source;
  options.checkpoint_path = path;
  std::atomic<bool> cancelled{false};
  TrainHooks hooks;
  hooks.cancelled = &cancelled;
  hooks.progress = [&](const Progress&) { cancelled = true; };
  const auto first = of_kind(records_of(options, hooks), Kind::steps);
  REQUIRE_FALSE(first.empty());
  const std::int64_t stopped = first.back().step;
  CHECK(stopped < 200);
  check_each_step_once(first, 0, stopped);
  source->delay = {};
  options.resume_path = path;
  const auto rest = records_of(options);
  CHECK(rest.front().step == stopped);
  check_each_step_once(of_kind(rest, Kind::steps), stopped, 200);
  std::remove(path.c_str());
}

TEST_CASE("records: a failed run has recorded the steps before") {
  TrainOptions options = recorded_options(100, 40);
  const auto source = std::make_shared<StreamSource>(150, 8, 4, 3);
  source->fault = Fault::throws;
  source->at = 50;
  options.training = source;
  check_each_step_once(of_kind(records_of(options), Kind::steps), 0, 50);

  TrainOptions broken = recorded_options(100, 40);
  const auto data = std::make_shared<MemorySource>(150, 8, 4, 3);
  for (float& x : data->inputs) x *= 1e18f;
  broken.training = data;
  broken.optimizer.learning_rate = 1e30;
  for (const TrainRecord& record : of_kind(records_of(broken), Kind::steps)) CHECK(std::isfinite(record.loss));
}

TEST_CASE("records: an accuracy that is not known is NaN") {
  TrainOptions options = recorded_options(10, 5);
  options.loss.kind = LossKind::nce;
  options.loss.num_sampled = 2;
  options.memory = HeadMemory::recompute;
  const auto steps = of_kind(records_of(options), Kind::steps);
  REQUIRE(steps.size() == 2);
  CHECK(std::isnan(steps[0].accuracy));
  CHECK(std::isfinite(steps[0].loss));
}

}  // namespace
}  // namespace onelogit
