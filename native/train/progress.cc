#include "train/progress.h"

#include <cmath>

namespace onelogit {

ProgressReporter::ProgressReporter(const TrainHooks& hooks, std::int64_t first_step, std::int64_t steps,
                                   std::int64_t batch_size)
    : hooks_(hooks), first_step_(first_step), steps_(steps), batch_size_(batch_size), last_step_(first_step) {}

void ProgressReporter::report(std::int64_t step, double learning_rate,
                              const std::optional<ValidationResult>& validation) {
  if (!hooks_.progress) return;
  const Clock::time_point now = Clock::now();
  const double interval = std::chrono::duration<double>(now - last_report_).count();
  if (step > last_step_ && interval > 0) {
    // Forgets with a time constant of three seconds: steady to read, quick to follow.
    const double rate = static_cast<double>((step - last_step_) * batch_size_) / interval;
    const double weight = rate_ == 0 ? 1.0 : 1.0 - std::exp(-interval / 3.0);
    rate_ += weight * (rate - rate_);
  }
  latest_.step = step;
  latest_.steps = steps_;
  latest_.learning_rate = learning_rate;
  latest_.examples_per_second = rate_;
  // From the run as a whole, validation and checkpoints included.
  if (step > first_step_)
    latest_.seconds_left = seconds() / static_cast<double>(step - first_step_) * static_cast<double>(steps_ - step);
  if (added_ > 0) {
    latest_.loss = loss_ / static_cast<double>(added_);
    latest_.accuracy = correct_ / static_cast<double>(added_ * batch_size_);
  }
  latest_.validation = validation;
  loss_ = 0;
  correct_ = 0;
  added_ = 0;
  last_step_ = step;
  last_report_ = now;
  hooks_.progress(latest_);
}

}  // namespace onelogit
