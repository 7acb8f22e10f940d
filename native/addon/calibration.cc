// Thresholds of a classifier over many examples: choosing them, and looking at what they do.

#include <algorithm>
#include <optional>
#include <utility>

#include "addon/classifier.h"
#include "addon/dataset.h"
#include "addon/model.h"
#include "addon/scorer.h"
#include "head/calibration.h"
#include "head/feature_error.h"

namespace onelogit::addon {
namespace {

struct Labelled {
  std::vector<float> features;  // n×d
  std::vector<std::int32_t> labels;
};

// How often all examples have been gone over: by the trunk, then by what looks at their logits.
struct Passes {
  std::atomic<double> done{0};
  double all = 1;
};

// The features of a whole source, which is what calibration goes over, more than once. One of the passes. `error`:
// measured, or null.
Labelled read_features(const Trunk& trunk, ExampleSource& source, const char* what, const std::atomic<bool>& stop,
                       Passes& passes, FeatureError* error = nullptr) {
  constexpr std::int64_t rows_at_once = 1024;  // asked of a reader at a time
  const std::int64_t n = source.length(), d = trunk.feature_size();
  Labelled result;
  result.features.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(d));
  Trunk::Scratch scratch;
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs != nullptr) {
    result.labels.assign(memory.labels, memory.labels + n);
    // As many at once as make no difference to the trunk, which takes them in chunks of its own.
    const std::int64_t at_once = trunk.rows_at_once() * std::max<std::int64_t>(1, rows_at_once / trunk.rows_at_once());
    const auto* bytes = static_cast<const std::byte*>(memory.inputs);
    for (std::int64_t first = 0; first < n; first += at_once) {
      const std::int64_t count = std::min(at_once, n - first);
      const auto* chunk = bytes + static_cast<std::size_t>(first * trunk.input_size()) * element_bytes(memory.type);
      if (!trunk.features(chunk, memory.type, count, scratch, result.features.data() + first * d, &stop, first))
        throw_cancelled(what);
      if (error != nullptr && !error->look_at(first, count, chunk, memory.type, result.features.data() + first * d,
                                              result.labels.data() + first, stop))
        throw_cancelled(what);
      passes.done.store(static_cast<double>(first + count) / static_cast<double>(n), std::memory_order_relaxed);
    }
    return result;
  }
  HostBatch batch;
  std::vector<std::int64_t> indices;
  for (std::int64_t first = 0; first < n; first += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, n - first);
    indices.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) indices[static_cast<std::size_t>(i)] = first + i;
    if (stop.load() || !source.read(indices.data(), count, batch)) throw_cancelled(what);
    trunk.features(batch.inputs.data(), batch.type, count, scratch, result.features.data() + first * d, nullptr, first);
    result.labels.insert(result.labels.end(), batch.labels.begin(), batch.labels.end());
    if (error != nullptr && !error->look_at(first, count, batch.inputs.data(), batch.type,
                                            result.features.data() + first * d, batch.labels.data(), stop))
      throw_cancelled(what);
    passes.done.store(static_cast<double>(first + count) / static_cast<double>(n), std::memory_order_relaxed);
  }
  return result;
}

// Checked: no class that the matrix has not.
std::shared_ptr<ExampleSource> source_of(Sources& sources, const Napi::Value& object,
                                         const ClassifierWeights& weights) {
  auto source = sources.add(object.ToObject(), weights.trunk().input_size());
  if (source->classes() > weights.matrix().classes())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_CLASSES",
                "Expected at most " + std::to_string(weights.matrix().classes()) +
                    " classes for dataset but received " + std::to_string(source->classes()));
  return source;
}

// 'recall' | 'precision' | undefined, value
std::optional<CalibrationTarget> target_of(const Napi::Value& measure, const Napi::Value& value, const char* what) {
  if (measure.IsUndefined()) return std::nullopt;
  const CalibrationTarget target{
      measure.ToString().Utf8Value() == "precision" ? CalibrationMeasure::precision : CalibrationMeasure::recall,
      value.ToNumber().DoubleValue()};
  if (!(target.value > 0.0 && target.value < 1.0))
    throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                std::string("Expected a number above 0 and below 1 for ") + what + " but received " +
                    std::to_string(target.value));
  return target;
}

// The job with `progress`, the share of the passes that have been made.
Napi::Value with_progress(Napi::Env env, Napi::Object job, std::shared_ptr<const Passes> passes) {
  job.Set("progress", Napi::Function::New(env, [passes = std::move(passes)](const Napi::CallbackInfo& info) {
            return Napi::Number::New(info.Env(), std::min(1.0, passes->done.load() / passes->all));
          }));
  return job;
}

using Counts = std::initializer_list<std::pair<const char*, double>>;
Napi::Object counts_to_javascript(Napi::Env env, const Counts& counts) {
  const Napi::Object result = Napi::Object::New(env);
  for (const auto& [name, value] : counts) result.Set(name, Napi::Number::New(env, value));
  return result;
}
Napi::Value calibration_to_javascript(Napi::Env env, const Calibration& calibration) {
  return counts_to_javascript(env, {{"meetingTarget", static_cast<double>(calibration.meeting_target)},
                                    {"withFallback", static_cast<double>(calibration.with_fallback)},
                                    {"withoutPositives", static_cast<double>(calibration.without_positives)}});
}
Napi::Value report_to_javascript(Napi::Env env, const ThresholdReport& report) {
  return counts_to_javascript(env, {{"withPositives", static_cast<double>(report.with_positives)},
                                    {"meetingTarget", static_cast<double>(report.meeting_target)},
                                    {"truePositives", static_cast<double>(report.true_positives)},
                                    {"falsePositives", static_cast<double>(report.false_positives)},
                                    {"meanRecall", report.mean_recall},
                                    {"meanPrecision", report.mean_precision}});
}

}  // namespace

Napi::Value calibrate_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const char* what = "calibrate";
  const auto generation = generation_of(*scorer, what);
  Sources sources;
  auto source = source_of(sources, info[0], *generation->weights);
  auto also_correct = also_correct_from_javascript(info[0].ToObject().Get("alsoCorrect"));
  const CalibrationTarget target = target_of(info[1], info[2], what).value();
  auto record = std::make_shared<CalibrationRecord>();
  record->target = info[3].ToString().Utf8Value();
  auto passes = std::make_shared<Passes>();
  passes->all = 1 + calibration_passes(target.measure);
  std::vector<Napi::ObjectReference> keep;
  keep.push_back(Napi::Persistent(owner_of(info.Env(), *scorer)));
  const Napi::Object started = job_to_javascript(
      info.Env(), start_job(
                      info.Env(),
                      [generation, source, also_correct = std::move(also_correct), target, record, passes, what,
                       scorer = scorer.get()](Job& job) mutable -> Finish {
                        const ClassifierWeights& weights = *generation->weights;
                        FeatureError error(weights.trunk(), weights.matrix(), source->length());
                        const Labelled labelled =
                            read_features(weights.trunk(), *source, what, job.cancelled, *passes, &error);
                        source.reset();
                        auto result = std::make_shared<Calibration>(
                            calibrate(weights.matrix(), labelled.features.data(), labelled.labels, target,
                                      &job.cancelled, also_correct, &passes->done, error.value()));
                        if (result->thresholds.empty()) throw_cancelled(what);
                        record->examples.resize(static_cast<std::size_t>(weights.matrix().classes()));
                        for (const std::int32_t label : labelled.labels) ++record->examples[label];
                        return [result, record, generation, scorer](Napi::Env env) {
                          // Nobody can ask a classifier that was disposed of meanwhile.
                          if (!scorer->ready()) return calibration_to_javascript(env, *result);
                          if (scorer->now->generation != generation)
                            throw Error(ErrorKind::operation, "ERR_ONELOGIT_RELOADED",
                                        "Expected the same weights at the end of calibrate as at its beginning but "
                                        "received others by reload: calibrate again");
                          scorer->now->use(std::move(result->thresholds), std::move(*record));
                          return calibration_to_javascript(env, *result);
                        };
                      },
                      sources.wake(), std::move(keep)));
  return with_progress(info.Env(), started, passes);
}

Napi::Value evaluate_thresholds_job(const Napi::CallbackInfo& info, const std::shared_ptr<Scorer>& scorer) {
  const char* what = "evaluateThresholds";
  const auto generation = generation_of(*scorer, what);
  auto thresholds = std::make_shared<const std::vector<float>>(scorer->now->all_thresholds());
  if (thresholds->empty())
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_NOT_CALIBRATED",
                std::string("Expected a calibrated classifier for ") + what + " but received one without thresholds");
  Sources sources;
  auto source = source_of(sources, info[0], *generation->weights);
  auto also_correct = also_correct_from_javascript(info[0].ToObject().Get("alsoCorrect"));
  auto passes = std::make_shared<Passes>();
  passes->all = 2;
  const Napi::Object started = job_to_javascript(
      info.Env(), start_job(
                      info.Env(),
                      [generation, source, also_correct = std::move(also_correct), thresholds, passes,
                       target = target_of(info[1], info[2], what), what](Job& job) mutable -> Finish {
                        const ClassifierWeights& weights = *generation->weights;
                        const Labelled labelled = read_features(weights.trunk(), *source, what, job.cancelled, *passes);
                        source.reset();
                        const std::optional<ThresholdReport> report =
                            evaluate_thresholds(weights.matrix(), labelled.features.data(), labelled.labels,
                                                *thresholds, target, &job.cancelled, also_correct, &passes->done);
                        if (!report) throw_cancelled(what);
                        return [report = *report](Napi::Env env) { return report_to_javascript(env, report); };
                      },
                      sources.wake()));
  return with_progress(info.Env(), started, passes);
}

}  // namespace onelogit::addon
