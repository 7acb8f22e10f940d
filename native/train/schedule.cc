#include <cmath>
#include <numbers>

#include "train/trainer.h"

namespace onelogit {

double ScheduleSpec::multiple(std::int64_t step, std::int64_t total_steps) const {
  if (step < warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  step -= warmup_steps;
  switch (kind) {
    case Kind::constant:
      return 1.0;
    case Kind::step:
      // Whole periods only: an integer division on purpose.
      return every > 0 ? std::pow(factor, step / every) : 1.0;
    case Kind::cosine: {
      // Loshchilov and Hutter 2017, without restarts.
      const std::int64_t length = steps > 0 ? steps : total_steps - warmup_steps;
      if (step >= length) return minimum;
      const double angle = std::numbers::pi * static_cast<double>(step) / static_cast<double>(length);
      return minimum + (1.0 - minimum) * 0.5 * (1.0 + std::cos(angle));
    }
  }
  return 1.0;
}

}  // namespace onelogit
