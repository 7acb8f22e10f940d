// What a log of a run is made of: means over fixed stretches of steps. Unlike progress, which follows the clock, the
// steps of a record depend on the options alone, and no record is left out.
#pragma once

#include <cmath>
#include <cstdint>

#include "train/trainer.h"

namespace onelogit {

class StepRecorder {
 public:
  StepRecorder(const TrainHooks& hooks, std::int64_t every, std::int64_t batch_size)
      : hooks_(hooks), every_(hooks.record ? every : 0), batch_size_(batch_size) {}

  // Whether a record ends with this step.
  bool due(std::int64_t step) const { return every_ > 0 && step % every_ == 0; }

  // The run begins after this many steps: those of a checkpoint, or none.
  void begin(std::int64_t step);
  // A step's loss, and its correct answers (−1: not known).
  void add(double loss, std::int64_t correct) {
    loss_ += loss;
    correct_ += correct < 0 ? NAN : static_cast<double>(correct);
    ++added_;
  }
  // The record of what was added since the last one, which ends with `step`; nothing if nothing was. `seconds` since
  // the run began, `learning_rate` of its last step.
  void end_record(std::int64_t step, double learning_rate, double seconds);
  void add_validation(std::int64_t step, const ValidationResult& validation, double seconds);

 private:
  const TrainHooks& hooks_;
  std::int64_t every_, batch_size_;
  double loss_ = 0;
  double correct_ = 0;
  std::int64_t added_ = 0;
  double last_seconds_ = 0;  // when the last record ended
};

}  // namespace onelogit
