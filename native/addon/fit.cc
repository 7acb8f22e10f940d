// model.fit: options from JavaScript, the training loop on a thread of its own, progress back.

#include <cmath>
#include <mutex>
#include <optional>

#include "addon/dataset.h"
#include "addon/loss_arguments.h"
#include "addon/model.h"
#include "train/trainer.h"

namespace onelogit::addon {
namespace {

OptimizerSpec optimizer_from_javascript(const Napi::Object& object) {
  OptimizerSpec spec;
  const std::string name = string_field(object, "name", "");
  if (name == "sgd") {
    spec.kind = OptimizerKind::sgd;
  } else if (name == "adam") {
    spec.kind = OptimizerKind::adam;
  } else if (name == "adamW") {
    spec.kind = OptimizerKind::adamw;
  } else {
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected a known optimizer but received '" + name + "'");
  }
  const auto read = [&](const char* field, double& value) { value = number_field(object, field, value); };
  read("learningRate", spec.learning_rate);
  read("momentum", spec.momentum);
  read("weightDecay", spec.weight_decay);
  read("beta1", spec.beta1);
  read("beta2", spec.beta2);
  read("epsilon", spec.epsilon);
  read("clipNorm", spec.clip_norm);
  spec.nesterov = boolean_field(object, "nesterov", spec.nesterov);
  return spec;
}

ScheduleSpec schedule_from_javascript(const Napi::Object& object) {
  const std::string name = string_field(object, "name", "");
  if (name == "warmup") {
    ScheduleSpec spec = schedule_from_javascript(object.Get("next").ToObject());
    spec.warmup_steps = integer_field(object, "steps", 0);
    return spec;
  }
  ScheduleSpec spec;
  if (name == "step") {
    spec.kind = ScheduleSpec::Kind::step;
  } else if (name == "cosine") {
    spec.kind = ScheduleSpec::Kind::cosine;
  } else if (name != "constant") {
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected a known schedule but received '" + name + "'");
  }
  spec.every = integer_field(object, "every", spec.every);
  spec.factor = number_field(object, "factor", spec.factor);
  spec.steps = integer_field(object, "steps", spec.steps);
  spec.minimum = number_field(object, "minimum", spec.minimum);
  return spec;
}

std::vector<std::int64_t> indices_from_javascript(const Napi::Value& value, std::int64_t length, const char* what) {
  if (value.IsUndefined()) return {};
  const ArrayView<std::int32_t> view = int32_array(value, what);
  std::vector<std::int64_t> indices(view.data, view.data + view.length);
  if (indices.empty())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH", std::string("Expected indices for ") + what);
  for (const std::int64_t index : indices)
    if (index < 0 || index >= length)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                  "Expected indices from 0 to " + std::to_string(length - 1) + " for " + what + " but received " +
                      std::to_string(index));
  return indices;
}

HeadMemory memory_from_name(const std::string& name) {
  if (name == "auto") return HeadMemory::automatic;
  if (name == "logits") return HeadMemory::logits;
  if (name == "store") return HeadMemory::store;
  if (name == "recompute") return HeadMemory::recompute;
  throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected a known memory but received '" + name + "'");
}

AugmentationSpec augmentation_from_javascript(const Napi::Value& value) {
  AugmentationSpec spec;
  if (!value.IsObject()) return spec;
  const auto object = value.As<Napi::Object>();
  spec.padding = integer_field(object, "padding", spec.padding);
  spec.flip = boolean_field(object, "flip", spec.flip);
  spec.height = integer_field(object, "height", spec.height);
  spec.width = integer_field(object, "width", spec.width);
  spec.channels = integer_field(object, "channels", spec.channels);
  return spec;
}

// Everything but what checkpoints and hooks need.
TrainOptions options_from_javascript(const Napi::Object& object, std::int64_t features, Sources& sources) {
  TrainOptions options;
  options.loss = loss_from_javascript(object.Get("loss").ToObject());
  options.optimizer = optimizer_from_javascript(object.Get("optimizer").ToObject());
  options.schedule = schedule_from_javascript(object.Get("schedule").ToObject());
  options.steps = integer_field(object, "steps", 0);
  options.batch_size = integer_field(object, "batchSize", 0);
  options.seed = static_cast<std::uint64_t>(integer_field(object, "seed", 0));
  options.augmentation = augmentation_from_javascript(object.Get("augment"));
  options.memory = memory_from_name(string_field(object, "memory", "auto"));
  options.workspace_bytes = static_cast<std::size_t>(
      integer_field(object, "workspaceBytes", static_cast<std::int64_t>(default_linear_loss_workspace)));
  options.training = sources.add(object.Get("training").ToObject(), features);
  options.training_indices =
      indices_from_javascript(object.Get("trainingIndices"), options.training->length(), "training");
  const Napi::Value validation = object.Get("validation"), part = object.Get("validationIndices");
  if (validation.IsObject()) {
    options.validation = sources.add(validation.As<Napi::Object>(), features);
  } else if (!part.IsUndefined()) {
    options.validation = options.training;
  }
  if (options.validation)
    options.validation_indices = indices_from_javascript(part, options.validation->length(), "validation");
  options.validate_every = integer_field(object, "validateEvery", 0);
  options.prior_bias = boolean_field(object, "priorBias", false);
  options.checkpoint_path = string_field(object, "checkpointPath", "");
  options.checkpoint_every = integer_field(object, "checkpointEvery", 0);
  options.resume_path = string_field(object, "resumePath", "");
  options.record_every = integer_field(object, "recordEvery", 0);
  options.metadata = [metadata = string_field(object, "metadata", "")](const Model&) {
    return std::map<std::string, std::string>{{"onelogit", metadata}};
  };
  options.extra_tensors = class_names_from_javascript(object.Get("classNames"));
  return options;
}

void set_number(const Napi::Object& object, const char* name, double value) {
  object.Set(name, Napi::Number::New(object.Env(), value));
}

void set_validation(const Napi::Object& object, const std::optional<ValidationResult>& validation) {
  if (!validation) return;
  const Napi::Object value = Napi::Object::New(object.Env());
  set_number(value, "loss", validation->loss);
  set_number(value, "accuracy", validation->accuracy);
  object.Set("validation", value);
}

Napi::Object progress_to_javascript(Napi::Env env, const Progress& progress) {
  const Napi::Object object = Napi::Object::New(env);
  set_number(object, "step", static_cast<double>(progress.step));
  set_number(object, "steps", static_cast<double>(progress.steps));
  set_number(object, "loss", progress.loss);
  set_number(object, "accuracy", progress.accuracy);
  set_number(object, "examplesPerSecond", progress.examples_per_second);
  set_number(object, "secondsLeft", progress.seconds_left);
  set_number(object, "learningRate", progress.learning_rate);
  set_validation(object, progress.validation);
  return object;
}

// Brings the latest progress to a JavaScript function. An event loop that is busy gets the newest report, not a
// backlog; a validation result is not lost with the report that it replaces.
class ProgressChannel {
 public:
  ProgressChannel(Napi::Env env, const Napi::Value& function) {
    if (!function.IsFunction()) return;
    if (napi_create_threadsafe_function(env, function, nullptr, Napi::String::New(env, "onelogit progress"), 0, 1,
                                        nullptr, nullptr, nullptr, deliver, &call_) != napi_ok)
      throw Napi::Error::New(env);
  }
  // On the job's thread, before its environment can be gone (jobs.cc).
  ~ProgressChannel() {
    if (call_ != nullptr) napi_release_threadsafe_function(call_, napi_tsfn_release);
  }
  ProgressChannel(const ProgressChannel&) = delete;
  ProgressChannel& operator=(const ProgressChannel&) = delete;

  void report(const Progress& progress) {
    last_ = progress;
    if (call_ == nullptr) return;
    const std::lock_guard<std::mutex> lock(slot_->mutex);
    const bool waiting = slot_->latest.has_value();
    const auto validation = waiting && !progress.validation ? slot_->latest->validation : progress.validation;
    slot_->latest = progress;
    slot_->latest->validation = validation;
    if (waiting) return;
    auto* passed = new std::shared_ptr<Slot>(slot_);
    if (napi_call_threadsafe_function(call_, passed, napi_tsfn_nonblocking) != napi_ok) delete passed;
  }
  const std::optional<Progress>& last() const { return last_; }

 private:
  struct Slot {
    std::mutex mutex;
    std::optional<Progress> latest;
  };

  static void deliver(napi_env env, napi_value function, void*, void* data) {
    const std::unique_ptr<std::shared_ptr<Slot>> slot(static_cast<std::shared_ptr<Slot>*>(data));
    if (env == nullptr) return;
    std::optional<Progress> progress;
    {
      const std::lock_guard<std::mutex> lock((*slot)->mutex);
      progress.swap((*slot)->latest);
    }
    if (!progress) return;
    try {
      const Napi::HandleScope scope(env);
      Napi::Function(env, function).Call({progress_to_javascript(env, *progress)});
    } catch (...) {
      // src/fit-options.ts catches what the user's function throws; this is JavaScript being terminated.
    }
  }

  napi_threadsafe_function call_ = nullptr;
  std::shared_ptr<Slot> slot_ = std::make_shared<Slot>();
  std::optional<Progress> last_;
};

// Keeps the records of a run until JavaScript takes them, whatever the event loop does meanwhile.
class RecordQueue {
 public:
  void add(const TrainRecord& record) {
    const std::lock_guard<std::mutex> lock(mutex_);
    records_.push_back(record);
  }
  // All there are, oldest first.
  Napi::Value take(Napi::Env env) {
    std::vector<TrainRecord> records;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      records.swap(records_);
    }
    const Napi::Array array = Napi::Array::New(env, records.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
      // A run that logs every step makes many: their handles go one by one.
      const Napi::HandleScope scope(env);
      array.Set(static_cast<std::uint32_t>(i), record_to_javascript(env, records[i]));
    }
    return array;
  }

 private:
  static Napi::Object record_to_javascript(Napi::Env env, const TrainRecord& record) {
    const Napi::Object object = Napi::Object::New(env);
    const auto kind = record.kind;
    object.Set("kind", kind == TrainRecord::Kind::begin   ? "begin"
                       : kind == TrainRecord::Kind::steps ? "steps"
                                                          : "validation");
    set_number(object, "step", static_cast<double>(record.step));
    if (kind == TrainRecord::Kind::begin) return object;
    set_number(object, "loss", record.loss);
    set_number(object, "accuracy", record.accuracy);
    set_number(object, "seconds", record.seconds);
    if (kind == TrainRecord::Kind::validation) return object;
    set_number(object, "overSteps", static_cast<double>(record.over_steps));
    set_number(object, "learningRate", record.learning_rate);
    set_number(object, "examplesPerSecond", record.examples_per_second);
    return object;
  }

  std::mutex mutex_;
  std::vector<TrainRecord> records_;
};

Napi::Object result_to_javascript(Napi::Env env, const TrainResult& result, const std::optional<Progress>& progress) {
  const Napi::Object object = Napi::Object::New(env);
  set_number(object, "steps", static_cast<double>(result.steps));
  object.Set("cancelled", Napi::Boolean::New(env, result.cancelled));
  set_number(object, "seconds", result.seconds);
  set_number(object, "examplesPerSecond", result.examples_per_second);
  set_number(object, "finalLoss", result.final_loss);
  set_number(object, "finalAccuracy", result.final_accuracy);
  set_validation(object, result.validation);
  if (progress) object.Set("progress", progress_to_javascript(env, *progress));
  return object;
}

}  // namespace

Napi::Value fit(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Object& object) {
  const bool resumes = !object.Get("resumePath").IsUndefined();
  auto use = std::make_shared<SharedModel::Use>(model, true, "model.fit", resumes);
  Sources sources;
  auto options = std::make_shared<TrainOptions>(options_from_javascript(object, (*use)->input_size(), sources));
  auto channel = std::make_shared<ProgressChannel>(env, object.Get("onProgress"));
  const Preprocessing preprocessing = preprocessing_from_javascript(object.Get("preprocessing").ToObject());
  auto changed = std::make_shared<std::atomic<bool>>(false);
  auto records = std::make_shared<RecordQueue>();
  const StartedJob started = start_job(
      env,
      [use, options, channel, preprocessing, changed, records](Job& job) -> Finish {
        Model& trained = **use;
        const std::optional<Preprocessing> before = trained.preprocessing;
        trained.preprocessing = preprocessing;
        TrainHooks hooks;
        hooks.progress = [&](const Progress& progress) { channel->report(progress); };
        if (options->record_every > 0) hooks.record = [&](const TrainRecord& record) { records->add(record); };
        hooks.cancelled = &job.cancelled;
        hooks.changed = changed.get();
        TrainResult result;
        try {
          result = train(trained, *options, hooks);
        } catch (...) {
          if (!changed->load()) trained.preprocessing = before;
          throw;
        }
        if (!changed->load()) trained.preprocessing = before;
        return
            [result, last = channel->last()](Napi::Env settled) { return result_to_javascript(settled, result, last); };
      },
      sources.wake());
  const Napi::Object job = job_to_javascript(env, started);
  job.Set("changed", Napi::Function::New(env, [changed](const Napi::CallbackInfo& info) {
            return Napi::Boolean::New(info.Env(), changed->load());
          }));
  job.Set("takeRecords",
          Napi::Function::New(env, [records](const Napi::CallbackInfo& info) { return records->take(info.Env()); }));
  return job;
}

}  // namespace onelogit::addon
