// model.evaluate: the trunk's output for every example, then the metrics over blocks of scores, off the event loop. How
// far it is can be asked meanwhile.

#include <algorithm>
#include <limits>
#include <new>

#include "addon/dataset.h"
#include "addon/model.h"
#include "metrics/metrics.h"
#include "metrics/model_scores.h"

namespace onelogit::addon {
namespace {

// Examples asked of a reader at a time.
constexpr std::int64_t rows_at_once = 1024;

[[noreturn]] void cancelled() {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_ABORTED", "Expected an evaluation to finish but it was cancelled");
}

struct Embedded {
  std::vector<float> features;  // n×d
  std::vector<std::int32_t> labels;
};

Embedded embed(Model& model, ExampleSource& source, const std::atomic<bool>& stop, std::atomic<std::int64_t>& done) {
  const std::int64_t n = source.length(), d = model.feature_size();
  if (n > std::numeric_limits<std::int64_t>::max() / d / 8) throw std::bad_alloc();
  Embedded result;
  result.features.resize(static_cast<std::size_t>(n * d));
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs != nullptr) {
    result.labels.assign(memory.labels, memory.labels + n);
    if (!model.predict(memory.inputs, memory.type, n, Output::features, result.features.data(), &stop, 0, &done))
      cancelled();
    return result;
  }
  result.labels.reserve(static_cast<std::size_t>(n));
  HostBatch batch;
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < n; begin += rows_at_once) {
    const std::int64_t count = std::min(rows_at_once, n - begin);
    indices.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) indices[static_cast<std::size_t>(i)] = begin + i;
    if (stop.load() || !source.read(indices.data(), count, batch)) cancelled();
    if (!model.predict(batch.inputs.data(), batch.type, count, Output::features, result.features.data() + begin * d,
                       &stop, begin, &done))
      cancelled();
    result.labels.insert(result.labels.end(), batch.labels.begin(), batch.labels.end());
  }
  return result;
}

Napi::Float64Array column(Napi::Env env, const EvaluationResult& result, double (*value)(const ClassMetrics&)) {
  Napi::Float64Array array = Napi::Float64Array::New(env, result.per_class.size());
  for (std::size_t i = 0; i < result.per_class.size(); ++i) array[i] = value(result.per_class[i]);
  return array;
}

Napi::Float64Array counts_to_javascript(Napi::Env env, const std::vector<std::int64_t>& counts) {
  Napi::Float64Array array = Napi::Float64Array::New(env, counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) array[i] = static_cast<double>(counts[i]);
  return array;
}

Napi::Object histogram_to_javascript(Napi::Env env, const ScoreHistogram& histogram) {
  const Napi::Object object = Napi::Object::New(env);
  object.Set("trueCounts", counts_to_javascript(env, histogram.true_counts));
  object.Set("falseCounts", counts_to_javascript(env, histogram.false_counts));
  return object;
}

Napi::Object curve_to_javascript(Napi::Env env, const std::vector<CurvePoint>& points) {
  Napi::Float32Array thresholds = Napi::Float32Array::New(env, points.size());
  Napi::Float64Array true_positives = Napi::Float64Array::New(env, points.size());
  Napi::Float64Array false_positives = Napi::Float64Array::New(env, points.size());
  for (std::size_t i = 0; i < points.size(); ++i) {
    thresholds[i] = points[i].threshold;
    true_positives[i] = static_cast<double>(points[i].true_positives);
    false_positives[i] = static_cast<double>(points[i].false_positives);
  }
  const Napi::Object object = Napi::Object::New(env);
  object.Set("thresholds", thresholds);
  object.Set("truePositives", true_positives);
  object.Set("falsePositives", false_positives);
  return object;
}

// [{ label, wrong, examples }]
Napi::Array confusions_to_javascript(Napi::Env env, const std::vector<Confusion>& confusions) {
  Napi::Array array = Napi::Array::New(env, confusions.size());
  for (std::uint32_t i = 0; i < confusions.size(); ++i) {
    const Napi::Object object = Napi::Object::New(env);
    object.Set("label", Napi::Number::New(env, confusions[i].label));
    object.Set("wrong", Napi::Number::New(env, confusions[i].wrong));
    object.Set("examples", Napi::Number::New(env, static_cast<double>(confusions[i].examples)));
    array.Set(i, object);
  }
  return array;
}

Napi::Object details_to_javascript(Napi::Env env, const EvaluationDetails& details) {
  const Napi::Object object = Napi::Object::New(env);
  Napi::Float32Array edges = Napi::Float32Array::New(env, details.edges.size());
  std::copy(details.edges.begin(), details.edges.end(), edges.Data());
  object.Set("edges", edges);
  const Napi::Object pooled = Napi::Object::New(env);
  pooled.Set("histogram", histogram_to_javascript(env, details.pooled));
  pooled.Set("curve", curve_to_javascript(env, details.pooled_curve));
  object.Set("pooled", pooled);
  Napi::Array classes = Napi::Array::New(env, details.classes.size());
  for (std::uint32_t i = 0; i < details.classes.size(); ++i) {
    const Napi::HandleScope scope(env);
    const ClassDetails& one = details.classes[i];
    const Napi::Object of_class = Napi::Object::New(env);
    of_class.Set("class", Napi::Number::New(env, one.class_id));
    of_class.Set("histogram", histogram_to_javascript(env, one));
    of_class.Set("curve", curve_to_javascript(env, one.curve));
    of_class.Set("confusions", confusions_to_javascript(env, one.confusions));
    classes.Set(i, of_class);
  }
  object.Set("classes", classes);
  object.Set("confusions", confusions_to_javascript(env, details.confusions));
  if (!details.false_at_threshold.empty()) {
    const Napi::Object at = Napi::Object::New(env);
    at.Set("truePositives", counts_to_javascript(env, details.true_at_threshold));
    at.Set("falsePositives", counts_to_javascript(env, details.false_at_threshold));
    object.Set("atThresholds", at);
  }
  return object;
}

Napi::Object to_javascript(Napi::Env env, const EvaluationResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
  set("examples", static_cast<double>(result.examples));
  set("classes", static_cast<double>(result.classes));
  set("accuracy", result.accuracy);
  const auto set_ranking = [&](const char* name, const RankingMetrics& metrics, const char* of, std::int64_t count) {
    const Napi::Object ranking = Napi::Object::New(env);
    ranking.Set("averagePrecision", Napi::Number::New(env, metrics.average_precision));
    ranking.Set("precisionAt90", Napi::Number::New(env, metrics.precision_at_90));
    ranking.Set("precisionAt99", Napi::Number::New(env, metrics.precision_at_99));
    ranking.Set(of, Napi::Number::New(env, static_cast<double>(count)));
    object.Set(name, ranking);
  };
  set_ranking("occurring", result.occurring, "classes", result.occurring.classes);
  set_ranking("atLeastFivePositives", result.at_least_five_positives, "classes",
              result.at_least_five_positives.classes);
  set_ranking("pooled", result.pooled, "negatives", result.pooled.negatives);
  set("classesWithoutPositives", static_cast<double>(result.classes_without_positives));
  set("misordered", result.separation.misordered);
  object.Set("separationHolds", Napi::Boolean::New(env, result.separation.holds));
  const Napi::Object per_class = Napi::Object::New(env);
  per_class.Set("positives",
                column(env, result, [](const ClassMetrics& c) { return static_cast<double>(c.positives); }));
  per_class.Set("averagePrecision", column(env, result, [](const ClassMetrics& c) { return c.average_precision; }));
  per_class.Set("precisionAt90", column(env, result, [](const ClassMetrics& c) { return c.precision_at_90; }));
  per_class.Set("precisionAt99", column(env, result, [](const ClassMetrics& c) { return c.precision_at_99; }));
  object.Set("perClass", per_class);
  if (result.details) object.Set("details", details_to_javascript(env, *result.details));
  return object;
}

// What an evaluation reads and writes while it runs.
struct Run {
  EvaluationOptions options;
  DetailsOptions details;
  std::vector<float> thresholds;
  std::atomic<std::int64_t> examples_done{0};  // in all passes: the trunk, then those of `evaluate`
};

}  // namespace

Napi::Value evaluate(Napi::Env env, const std::shared_ptr<SharedModel>& model, const Napi::Object& source,
                     const Napi::Object& options) {
  auto use = std::make_shared<SharedModel::Use>(model, false, "model.evaluate");
  Sources sources;
  auto examples = sources.add(source, (*use)->input_size());
  if (examples->classes() > (*use)->classes())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_CLASSES",
                "Expected at most " + std::to_string((*use)->classes()) + " classes for dataset but received " +
                    std::to_string(examples->classes()));
  const auto also_correct =
      std::make_shared<const AlsoCorrect>(also_correct_from_javascript(source.Get("alsoCorrect")));
  auto run = std::make_shared<Run>();
  EvaluationOptions& evaluation = run->options;
  evaluation.softmax = string_field(options, "scores", "logits") == "softmax";
  evaluation.negatives = std::max<std::int64_t>(0, integer_field(options, "negatives", all_negatives));
  evaluation.seed = static_cast<std::uint64_t>(integer_field(options, "seed", 1));
  evaluation.examples_done = &run->examples_done;
  if (boolean_field(options, "details", false)) {
    evaluation.details = &run->details;
    if (const Napi::Value thresholds = options.Get("thresholds"); !thresholds.IsUndefined()) {
      const ArrayView<float> given = float32_array(thresholds, "thresholds");
      if (static_cast<std::int64_t>(given.length) != (*use)->classes())
        throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                    "Expected " + std::to_string((*use)->classes()) + " numbers for thresholds but received " +
                        std::to_string(given.length));
      run->thresholds.assign(given.data, given.data + given.length);
      run->details.thresholds = run->thresholds;
    }
  }
  const double all = static_cast<double>(examples->length()) * static_cast<double>(1 + evaluation.passes());
  const Napi::Object job = job_to_javascript(
      env, start_job(
               env,
               [use, examples, also_correct, run](Job& started) mutable -> Finish {
                 Embedded embedded = embed(**use, *examples, started.cancelled, run->examples_done);
                 examples.reset();
                 run->options.also_correct = also_correct.get();
                 run->options.cancelled = &started.cancelled;
                 ModelScores blocks(**use, std::move(embedded.features));
                 std::optional<EvaluationResult> done = evaluate(blocks, embedded.labels.data(), run->options);
                 if (!done) cancelled();
                 auto result = std::make_shared<EvaluationResult>(*std::move(done));
                 return [result](Napi::Env settled) { return to_javascript(settled, *result); };
               },
               sources.wake()));
  job.Set("progress", Napi::Function::New(env, [run, all](const Napi::CallbackInfo& info) {
            return Napi::Number::New(info.Env(), all > 0 ? static_cast<double>(run->examples_done.load()) / all : 1);
          }));
  return job;
}

}  // namespace onelogit::addon
