// One run of training. Every random draw is a function of a seed and the step, so a step needs nothing but the tensors
// and its number: that is what makes resuming exact.

#include "train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "error.h"
#include "model/input.h"
#include "train/batches.h"
#include "train/checkpoint.h"
#include "train/last_layer.h"
#include "train/options_check.h"
#include "train/progress.h"
#include "train/records.h"
#include "train/validation.h"

namespace onelogit {
namespace {

// What a step leaves behind, in device memory.
struct Outcome {
  double loss;
  std::int64_t correct;
};

class Run {
 public:
  Run(Model& model, const TrainOptions& options, const TrainHooks& hooks)
      : model_(model),
        options_(options),
        hooks_(hooks),
        backend_(model.backend()),
        loss_(options.loss),
        // Reading the loss waits for a device's queue; on the CPU it is there.
        check_every_(backend_.name() == "cpu" ? 1 : not_finite_within),
        records_(hooks, options.record_every, options.batch_size) {}

  ~Run() {
    try {
      // Without a completed step the model is as untrained as before.
      if (state_.prior_bias_applied && !model_.trained) set_class_bias({});
      // After an exception too: the model holds the weights of the latest step.
      if (last_layer_) last_layer_->catch_up();
    } catch (const std::exception&) {
      // A device that has failed refuses this too. Its error is on the way to the caller.
    }
    steps_.reset();
    model_.release_training();
    model_.tensors_changed();
  }

  TrainResult go();
  // Of the steps whose losses are known. After a failure too: they show how it came.
  void end_record() {
    if (!progress_) return;
    records_.end_record(collected_, learning_rate(std::max<std::int64_t>(collected_ - 1, 0)), progress_->seconds());
  }

 private:
  bool stopped() const { return hooks_.cancelled != nullptr && hooks_.cancelled->load(std::memory_order_relaxed); }
  void mark_changed() {
    model_.trained = true;
    if (hooks_.changed != nullptr) hooks_.changed->store(true, std::memory_order_relaxed);
  }
  double learning_rate(std::int64_t step) const {
    return static_cast<double>(options_.optimizer.learning_rate) * options_.schedule.multiple(step, options_.steps);
  }
  bool count_labels();
  void apply_prior_bias();
  void set_class_bias(const std::vector<float>& values);
  void fix_preprocessing(ExampleType type);
  void step(const Batch& batch);
  void queue_step(const Batch& batch);
  void keep_outcome();
  void collect(const Batch* batch);
  void checkpoint();
  void check_parameters();
  std::int64_t example_of(std::int64_t at, const Batch* batch) const;
  [[noreturn]] void not_finite(std::int64_t at, const std::string& received, const Batch* batch);

  Model& model_;
  const TrainOptions& options_;
  const TrainHooks& hooks_;
  Backend& backend_;
  LossSpec loss_;
  std::int64_t check_every_;
  TrainingState state_;
  std::optional<LastLayer> last_layer_;
  Buffer labels_, outcome_, outcomes_, clip_scale_;  // outcomes_: of the steps not yet collected
  std::vector<Outcome> host_outcomes_;
  std::int64_t collected_ = 0;  // steps whose loss has been read
  std::optional<ProgressReporter> progress_;
  StepRecorder records_;
  std::function<std::int64_t(std::int64_t step)> not_finite_example_of_;  // reads a step's batch once more
  std::unique_ptr<StepRunner> steps_;  // after the memory that its steps use: it goes first
};

// Class counts for unigram noise. A streamed source is read once, in order. False: cancelled.
bool Run::count_labels() {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(model_.classes()), 0);
  const auto& indices = options_.training_indices;
  const std::int64_t length = used_length(*options_.training, indices), rows = max_inference_rows;
  ReaderThread reader;
  BatchSequence batches(*options_.training, reader, model_.classes(), rows, 0, (length + rows - 1) / rows,
                        in_order(indices, length, rows));
  for (std::int64_t done = 0; done < length;) {
    const Batch* batch = stopped() ? nullptr : batches.next();
    if (batch == nullptr) return false;
    for (std::int64_t i = 0; i < batch->count; ++i) ++counts[static_cast<std::size_t>(batch->labels[i])];
    done += batch->count;
  }
  set_unigram_counts(loss_, counts.data(), model_.classes());
  return true;
}

void Run::set_class_bias(const std::vector<float>& values) {
  const NamedTensor* bias = model_.class_bias();
  const std::size_t bytes = static_cast<std::size_t>(model_.classes()) * sizeof(float);
  if (values.empty())
    backend_.zero(bias->data, bytes);
  else
    backend_.upload(bias->data, values.data(), bytes);
}

void Run::apply_prior_bias() {
  const NamedTensor* bias = model_.class_bias();
  if (!options_.prior_bias || model_.trained || bias == nullptr) return;
  const std::vector<float> prior = prior_bias(loss_, model_.classes());
  if (prior.empty()) return;
  std::vector<float> current(prior.size());
  backend_.download(current.data(), bias->data, current.size() * sizeof(float));
  if (!std::all_of(current.begin(), current.end(), [](float value) { return value == 0.0f; })) return;
  set_class_bias(prior);
  state_.prior_bias_applied = true;
}

void Run::fix_preprocessing(ExampleType type) {
  if (model_.preprocessing) return;
  Preprocessing chosen;
  if (type == ExampleType::uint8) chosen.scale = 1.0f / 255.0f;
  model_.preprocessing = chosen;
}

TrainResult Run::go() {
  check_options(model_, options_);
  const std::int64_t m = options_.batch_size, classes = model_.classes();
  TrainResult result;
  if (loss_.kind == LossKind::nce && loss_.noise == NoiseKind::unigram && !count_labels()) {
    result.cancelled = true;
    return result;
  }
  check_loss(loss_, classes);
  const std::int64_t validation_rows = options_.validation ? Validation::rows(model_, options_, loss_) : 0;
  last_layer_.emplace(model_, options_, loss_, validation_rows);
  labels_ = Buffer(backend_, static_cast<std::size_t>(m) * sizeof(std::int32_t));
  outcome_ = Buffer(backend_, sizeof(Outcome));
  outcomes_ = Buffer(backend_, static_cast<std::size_t>(check_every_) * sizeof(Outcome));
  clip_scale_ = Buffer(backend_, sizeof(float));
  host_outcomes_.resize(static_cast<std::size_t>(check_every_));
  steps_ = backend_.make_step_runner();
  if (options_.training->in_memory().inputs != nullptr) fix_preprocessing(options_.training->in_memory().type);
  if (options_.resume_path.empty()) {
    apply_prior_bias();
  } else {
    state_ = read_checkpoint(model_, options_);
    mark_changed();
  }
  const std::int64_t first_step = collected_ = state_.step;

  ReaderThread reader;
  const auto& used = options_.training_indices;
  DataOrder order(used_length(*options_.training, used), options_.seed);
  const auto indices_of = [&](std::int64_t number, std::int64_t* out) {
    order.indices(number * m, m, out);
    if (!used.empty())
      for (std::int64_t i = 0; i < m; ++i) out[i] = used[static_cast<std::size_t>(out[i])];
    return m;
  };
  BatchSequence batches(*options_.training, reader, classes, m, first_step, options_.steps, indices_of,
                        options_.augmentation, options_.seed);
  not_finite_example_of_ = [&](std::int64_t step) {
    BatchSequence again(*options_.training, reader, classes, m, step, step + 1, indices_of, options_.augmentation,
                        options_.seed);
    const Batch* const batch = again.next();
    return batch == nullptr ? -1 : not_finite_example(*batch, model_.input_size());
  };
  std::optional<Validation> validation;
  if (options_.validation) validation.emplace(model_, options_, loss_, *last_layer_, reader);
  progress_.emplace(hooks_, first_step, options_.steps, m);
  records_.begin(first_step);

  const auto validate_now = [&] {
    const std::optional<ValidationResult> validated = validation->run(hooks_.cancelled);
    if (validated) records_.add_validation(state_.step, *validated, progress_->seconds());
    return validated;
  };
  // The last checkpoint is written before the validation: all that is left to do may be that.
  if (validation && first_step == options_.steps) result.validation = validate_now();

  while (state_.step < options_.steps && !result.cancelled) {
    const Batch* batch = stopped() ? nullptr : batches.next();
    if (batch == nullptr) {
      result.cancelled = true;
      break;
    }
    fix_preprocessing(batch->type);
    step(*batch);
    const bool last = state_.step == options_.steps;
    const bool validate =
        validation && (last || (options_.validate_every > 0 && state_.step % options_.validate_every == 0));
    const bool save = !options_.checkpoint_path.empty() &&
                      (last || (options_.checkpoint_every > 0 && state_.step % options_.checkpoint_every == 0));
    const bool report = last || validate || progress_->due();
    const bool record = last || save || records_.due(state_.step);
    if (report || record || state_.step - collected_ == check_every_) collect(batch);
    if (record) end_record();
    if (last || save || validate) last_layer_->catch_up();
    if (last || save) check_parameters();
    // Saved before it is validated: an interruption of the validation loses nothing.
    if (save) checkpoint();
    std::optional<ValidationResult> validated;
    if (validate) {
      // Nothing when interrupted: the result of an earlier step is not that of the last.
      result.validation = validated = validate_now();
      if (!validated) result.cancelled = !last;
    }
    if (report) progress_->report(state_.step, learning_rate(state_.step - 1), validated);
  }
  if (result.cancelled) {
    collect(nullptr);
    end_record();
    last_layer_->catch_up();
    check_parameters();
    // Without a step there is nothing to keep, and perhaps an older checkpoint to lose.
    if (!options_.checkpoint_path.empty() && state_.step > 0) checkpoint();
    progress_->report(state_.step, learning_rate(std::max<std::int64_t>(state_.step - 1, 0)), std::nullopt);
  }
  result.steps = state_.step;
  result.seconds = progress_->seconds();
  if (result.seconds > 0)
    result.examples_per_second = static_cast<double>((state_.step - first_step) * m) / result.seconds;
  result.final_loss = state_.recent.mean_loss();
  result.final_accuracy = state_.recent.mean_correct() / static_cast<double>(m);
  result.prior_bias_applied = state_.prior_bias_applied;
  return result;
}

void Run::step(const Batch& batch) {
  const std::int64_t m = batch.count;
  load_input(backend_, input_kind(model_.spec()), batch.inputs, batch.type, batch.rows, m, model_.input_size(),
             model_.preprocessing->view(), {batch.indices}, model_.training_input());
  backend_.load_labels(batch.labels, m, labels_.as<std::int32_t>());
  steps_->run(m, static_cast<std::uint64_t>(state_.step), static_cast<float>(learning_rate(state_.step)),
              [&] { queue_step(batch); });
  if (check_every_ > 1) keep_outcome();
  ++state_.step;
  mark_changed();
}

// What StepRunner may replay.
void Run::queue_step(const Batch& batch) {
  const std::int64_t m = batch.count;
  const auto number = static_cast<std::uint64_t>(state_.step);
  const auto rate = static_cast<float>(learning_rate(state_.step));
  auto* const outcome = outcome_.as<Outcome>();
  last_layer_->run(labels_.as<std::int32_t>(), m, number, rate, &outcome->loss, &outcome->correct);
  // Where reading costs nothing a broken batch is found before it reaches the weights.
  if (check_every_ == 1) {
    keep_outcome();
    ++state_.step;
    collect(&batch);
    --state_.step;
  }
  model_.backward(m, number);
  const OptimizerSpec& optimizer = options_.optimizer;
  const auto& slices = model_.parameter_slices(optimizer_state_count(optimizer));
  float* scale = nullptr;
  if (optimizer.clip_norm > 0) {
    scale = clip_scale_.as<float>();
    backend_.clip_scale(slices, static_cast<float>(optimizer.clip_norm), last_layer_->gradient_squares(), scale);
  }
  last_layer_->update(rate, number, scale);
  backend_.optimizer_step(optimizer, rate, number + 1, slices, scale);
}

void Run::keep_outcome() {
  backend_.copy(outcomes_.as<Outcome>() + (state_.step - collected_), outcome_.data(), sizeof(Outcome));
}

// Reads the losses of the steps since the last call. `batch` is that of the latest, or null if it is there no more.
void Run::collect(const Batch* batch) {
  const std::int64_t first = collected_, count = state_.step - first;
  if (count == 0) return;
  backend_.download(host_outcomes_.data(), outcomes_.data(), static_cast<std::size_t>(count) * sizeof(Outcome));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto [value, correct] = host_outcomes_[static_cast<std::size_t>(i)];
    if (!std::isfinite(value)) {
      if (i + 1 == count) model_.restore_running_statistics();
      not_finite(first + i, std::isnan(value) ? "NaN" : "infinity", i + 1 == count ? batch : nullptr);
    }
    state_.recent.add(value, correct);
    progress_->add(value, correct);
    records_.add(value, correct);
    ++collected_;
  }
}

void Run::checkpoint() { write_checkpoint(model_, options_, state_); }

// A last update may break the weights with no loss after it to show: never returned or saved as if it were a model.
void Run::check_parameters() {
  std::vector<float> piece;
  constexpr std::int64_t at_once = 1 << 18;
  for (const NamedTensor& tensor : model_.tensors()) {
    const std::int64_t size = shape_size(tensor.shape);
    piece.resize(static_cast<std::size_t>(std::min(size, at_once)));
    for (std::int64_t begin = 0; begin < size; begin += at_once) {
      const auto count = static_cast<std::size_t>(std::min(at_once, size - begin));
      download_float32(backend_, tensor, begin, static_cast<std::int64_t>(count), piece.data());
      // The sum of x·0 is 0 or NaN: one pass without a branch per number.
      float sum = 0;
      for (std::size_t i = 0; i < count; ++i) sum += piece[i] * 0.0f;
      if (sum != 0.0f) not_finite(state_.step - 1, "NaN or infinity in '" + tensor.name + "' after it", nullptr);
    }
  }
}

// The first example of step `at` whose inputs are not finite; −1: none. Where losses are read together its batch may be
// gone, and is read again: DataOrder and the augmentation are functions of the step.
std::int64_t Run::example_of(std::int64_t at, const Batch* batch) const {
  if (batch != nullptr) return not_finite_example(*batch, model_.input_size());
  try {
    return stopped() ? -1 : not_finite_example_of_(at);
  } catch (...) {
    return -1;  // a source that fails now hides the example, not the loss
  }
}

void Run::not_finite(std::int64_t at, const std::string& received, const Batch* batch) {
  char rate[32];
  std::snprintf(rate, sizeof rate, "%g", learning_rate(at));
  std::string advice = "lower learningRate (" + std::string(rate) + " at this step)";
  if (!(options_.optimizer.clip_norm > 0)) advice += ", set clipNorm";
  advice += ", or check the data for NaN and extreme values";
  if (const std::int64_t bad = example_of(at, batch); bad >= 0)
    advice = "the inputs of example " + std::to_string(bad) + " of the training data are NaN or infinite";
  throw Error(
      ErrorKind::operation, "ERR_ONELOGIT_LOSS_NOT_FINITE",
      "Expected a finite loss for step " + std::to_string(at + 1) + " but received " + received + ": " + advice);
}

}  // namespace

TrainResult train(Model& model, const TrainOptions& options, const TrainHooks& hooks) {
  Run run(model, options, hooks);
  try {
    return run.go();
  } catch (...) {
    run.end_record();
    throw;
  }
}

}  // namespace onelogit
