#include "train/checkpoint.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "error.h"
#include "model/model_file.h"
#include "train/augmentation.h"
#include "train/last_layer.h"
#include "train/options_check.h"

namespace onelogit {
namespace {

constexpr const char* recent_losses = "training.recent_losses";
constexpr const char* recent_correct = "training.recent_correct";
// Named in the file: a release that draws otherwise must not continue an older run as if nothing had happened.
constexpr const char* random_numbers = "philox4x32-10, fisher-yates per epoch";

// Hexadecimal: every bit of the number.
std::string exact(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%a", value);
  return text;
}

std::string list(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) text += (text.empty() ? "" : " ") + exact(value);
  return text;
}

// FNV-1a, 64 bits: tells lists apart, not forgers.
template <class T>
std::string fingerprint(const std::vector<T>& values) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return std::to_string(values.size()) + ":" + std::to_string(hash);
}

std::string describe_loss(const LossSpec& loss) {
  std::string text(loss_name(loss.kind));
  text += loss.reduction == Reduction::sum ? " sum" : " mean";
  if (loss.kind == LossKind::max_margin || loss.kind == LossKind::batch_max_margin)
    text += " margin=" + exact(loss.margin);
  if (loss.kind == LossKind::self_normalization) text += " alpha=" + exact(loss.alpha);
  if (loss.kind == LossKind::nce)
    text += " noiseRatio=" + exact(loss.noise_ratio) + " numSampled=" + std::to_string(loss.num_sampled) +
            " noise=" + std::to_string(static_cast<int>(loss.noise)) + ":" + fingerprint(loss.noise_weights) +
            " samples=" + std::to_string(static_cast<int>(loss.samples)) +
            " removeAccidentalHits=" + std::to_string(loss.remove_accidental_hits) +
            " seed=" + std::to_string(loss.seed);
  return text;
}

std::string describe_optimizer(const OptimizerSpec& o) {
  std::string text = o.kind == OptimizerKind::sgd ? "sgd" : o.kind == OptimizerKind::adam ? "adam" : "adamW";
  text += " learningRate=" + exact(o.learning_rate) + " weightDecay=" + exact(o.weight_decay) +
          " clipNorm=" + exact(o.clip_norm);
  if (o.kind == OptimizerKind::sgd)
    text += " momentum=" + exact(o.momentum) + (o.nesterov ? " nesterov" : "");
  else
    text += " beta1=" + exact(o.beta1) + " beta2=" + exact(o.beta2) + " epsilon=" + exact(o.epsilon);
  return text;
}

std::string describe_preprocessing(const Preprocessing& p) {
  return exact(p.scale) + " | " + list(p.mean) + " | " + list(p.standard_deviation);
}

// What must be the same for a run to continue.
std::map<std::string, std::string> identity_of(const Model& model, const TrainOptions& options) {
  const std::int64_t length = used_length(*options.training, options.training_indices);
  return {{"training.loss", describe_loss(options.loss)},
          {"training.optimizer", describe_optimizer(options.optimizer)},
          {"training.batchSize", std::to_string(options.batch_size)},
          {"training.seed", std::to_string(options.seed)},
          {"training.augmentation", describe_augmentation(options.augmentation)},
          {"training.examples", std::to_string(length)},
          {"training.indices", options.training_indices.empty() ? "all" : fingerprint(options.training_indices)},
          {"training.memory", std::string(head_memory_name(choose_head_memory(model, options)))},
          {"training.random", random_numbers}};
}

[[noreturn]] void reject(const std::string& path, const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_CHECKPOINT",
              "Expected " + expected + " for resumeFrom but received '" + path + "' with " + received);
}

const std::string& entry(const SafetensorsFile& file, const std::string& name) {
  const auto found = file.metadata().find(name);
  if (found == file.metadata().end()) reject(file.path(), "a checkpoint written by fit", "no entry '" + name + "'");
  return found->second;
}

std::int64_t step_of(const SafetensorsFile& file) {
  const std::string& text = entry(file, "training.step");
  std::int64_t step = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc() || end != text.data() + text.size() || step < 0)
    reject(file.path(), "a number of steps in 'training.step'", "'" + text + "'");
  return step;
}

template <class T>
std::vector<T> read_list(const SafetensorsFile& file, const char* name, const char* dtype) {
  const TensorEntry* tensor = file.find(name);
  if (tensor == nullptr || tensor->dtype != dtype || tensor->shape.size() != 1 ||
      tensor->shape[0] > RecentSteps::capacity)
    reject(file.path(), std::string("a tensor '") + name + "' of type " + dtype, "none");
  std::vector<T> values(static_cast<std::size_t>(tensor->shape[0]));
  file.read(*tensor, values.data(), 0, values.size() * sizeof(T));
  return values;
}

template <class T>
TensorToWrite list_to_write(const char* name, const char* dtype, const std::vector<T>& values) {
  return {name, dtype, {static_cast<std::int64_t>(values.size())}, [&values](const auto& sink) {
            sink(values.data(), values.size() * sizeof(T));
          }};
}

// The inverse of describe_preprocessing.
std::optional<Preprocessing> parse_preprocessing(const std::string& text) {
  Preprocessing result;
  const char* cursor = text.c_str();
  const auto number = [&cursor](float& value) {
    char* end = nullptr;
    value = std::strtof(cursor, &end);
    if (end == cursor) return false;
    cursor = end;
    return true;
  };
  if (!number(result.scale)) return std::nullopt;
  for (std::vector<float>* values : {&result.mean, &result.standard_deviation}) {
    while (*cursor == ' ') ++cursor;
    if (*cursor++ != '|') return std::nullopt;
    for (float value; number(value);) values->push_back(value);
  }
  if (result.mean.size() != result.standard_deviation.size()) return std::nullopt;
  return result;
}

Preprocessing preprocessing_of(const SafetensorsFile& file, const Model& model) {
  const std::string& text = entry(file, "training.preprocessing");
  const std::optional<Preprocessing> result = parse_preprocessing(text);
  if (!result) reject(file.path(), "numbers in 'training.preprocessing'", "'" + text + "'");
  if (model.preprocessing && describe_preprocessing(*model.preprocessing) != describe_preprocessing(*result))
    reject(file.path(), "the model's preprocessing (" + describe_preprocessing(*model.preprocessing) + ")", text);
  return *result;
}

}  // namespace

double RecentSteps::mean_loss() const {
  double sum = 0;
  for (std::int64_t i = 0; i < size(); ++i) sum += loss(i);
  return size() > 0 ? sum / static_cast<double>(size()) : 0.0;
}

double RecentSteps::mean_correct() const {
  double sum = 0;
  for (std::int64_t i = 0; i < size(); ++i) sum += correct(i) < 0 ? NAN : static_cast<double>(correct(i));
  return size() > 0 ? sum / static_cast<double>(size()) : 0.0;
}

void write_checkpoint(Model& model, const TrainOptions& options, const TrainingState& state) {
  std::map<std::string, std::string> metadata;
  if (options.metadata) metadata = options.metadata(model);
  for (auto& [name, value] : identity_of(model, options)) metadata[name] = value;
  metadata["training.step"] = std::to_string(state.step);
  metadata["training.priorBias"] = state.prior_bias_applied ? "applied" : "none";
  metadata["training.preprocessing"] = describe_preprocessing(*model.preprocessing);

  const std::vector<NamedTensor> optimizer = model.optimizer_tensors();
  std::vector<TensorToWrite> tensors = tensors_to_write(model.tensors(), model.backend());
  for (auto& tensor : tensors_to_write(optimizer, model.backend())) tensors.push_back(std::move(tensor));
  std::vector<double> losses;
  std::vector<std::int64_t> correct;
  for (std::int64_t i = 0; i < state.recent.size(); ++i) {
    losses.push_back(state.recent.loss(i));
    correct.push_back(state.recent.correct(i));
  }
  tensors.push_back(list_to_write(recent_losses, "F64", losses));
  tensors.push_back(list_to_write(recent_correct, "I64", correct));
  for (const TensorToWrite& tensor : options.extra_tensors) tensors.push_back(tensor);
  write_safetensors(options.checkpoint_path, metadata, tensors);
}

TrainingState read_checkpoint(Model& model, const TrainOptions& options) {
  const SafetensorsFile file = SafetensorsFile::open(options.resume_path);
  TrainingState state;
  state.step = step_of(file);
  for (const auto& [name, expected] : identity_of(model, options)) {
    const std::string& received = entry(file, name);
    if (received != expected)
      reject(file.path(),
             std::string("a checkpoint of this run (").append(name).append(": ").append(expected).append(")"),
             received);
  }
  if (state.step > options.steps)
    reject(file.path(), "a checkpoint of at most " + std::to_string(options.steps) + " steps",
           std::to_string(state.step) + " steps");
  state.prior_bias_applied = entry(file, "training.priorBias") == "applied";
  const Preprocessing preprocessing = preprocessing_of(file, model);
  const auto losses = read_list<double>(file, recent_losses, "F64");
  const auto correct = read_list<std::int64_t>(file, recent_correct, "I64");
  if (losses.size() != correct.size())
    reject(file.path(), "as many losses as answers of recent steps", "another number");
  for (std::size_t i = 0; i < losses.size(); ++i) state.recent.add(losses[i], correct[i]);

  std::vector<NamedTensor> tensors = model.tensors();
  for (NamedTensor& tensor : model.optimizer_tensors()) tensors.push_back(std::move(tensor));
  check_readable(file, tensors);
  model.mixed = true;
  read_tensors(file, tensors, model.backend());
  file.check_unchanged();
  model.mixed = false;
  model.preprocessing = preprocessing;
  return state;
}

}  // namespace onelogit
