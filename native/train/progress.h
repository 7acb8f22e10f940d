// What is reported while training: means since the last report, the rate, the time left.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>

#include "train/trainer.h"

namespace onelogit {

class ProgressReporter {
 public:
  ProgressReporter(const TrainHooks& hooks, std::int64_t first_step, std::int64_t steps, std::int64_t batch_size);

  void add(double loss, std::int64_t correct) {
    loss_ += loss;
    correct_ += correct < 0 ? NAN : static_cast<double>(correct);
    ++added_;
  }
  // Whether a tenth of a second has passed since the last report.
  bool due() const { return hooks_.progress && Clock::now() - last_report_ >= std::chrono::milliseconds(100); }
  void report(std::int64_t step, double learning_rate, const std::optional<ValidationResult>& validation);
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;

  const TrainHooks& hooks_;
  std::int64_t first_step_, steps_, batch_size_;
  Clock::time_point start_ = Clock::now(), last_report_ = start_;
  double loss_ = 0;
  double correct_ = 0;
  std::int64_t added_ = 0;
  std::int64_t last_step_;
  double rate_ = 0;
  Progress latest_;
};

}  // namespace onelogit
