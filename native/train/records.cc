#include "train/records.h"

namespace onelogit {

void StepRecorder::begin(std::int64_t step) {
  if (every_ == 0) return;
  TrainRecord record;
  record.kind = TrainRecord::Kind::begin;
  record.step = step;
  hooks_.record(record);
}

void StepRecorder::end_record(std::int64_t step, double learning_rate, double seconds) {
  if (every_ == 0 || added_ == 0) return;
  TrainRecord record;
  record.kind = TrainRecord::Kind::steps;
  record.step = step;
  record.over_steps = added_;
  record.loss = loss_ / static_cast<double>(added_);
  record.accuracy = correct_ / static_cast<double>(added_ * batch_size_);
  record.learning_rate = learning_rate;
  record.examples_per_second =
      seconds > last_seconds_ ? static_cast<double>(added_ * batch_size_) / (seconds - last_seconds_) : NAN;
  record.seconds = seconds;
  loss_ = 0;
  correct_ = 0;
  added_ = 0;
  last_seconds_ = seconds;
  hooks_.record(record);
}

void StepRecorder::add_validation(std::int64_t step, const ValidationResult& validation, double seconds) {
  if (every_ == 0) return;
  TrainRecord record;
  record.kind = TrainRecord::Kind::validation;
  record.step = step;
  record.loss = validation.loss;
  record.accuracy = validation.accuracy;
  record.seconds = seconds;
  hooks_.record(record);
}

}  // namespace onelogit
