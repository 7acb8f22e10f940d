// model.evaluate: the trunk's output for every example, then the metrics over blocks of scores, off the event loop.

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

Embedded embed(Model& model, ExampleSource& source, const std::atomic<bool>& stop) {
  const std::int64_t n = source.length(), d = model.feature_size();
  if (n > std::numeric_limits<std::int64_t>::max() / d / 8) throw std::bad_alloc();
  Embedded result;
  result.features.resize(static_cast<std::size_t>(n * d));
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs != nullptr) {
    result.labels.assign(memory.labels, memory.labels + n);
    if (!model.predict(memory.inputs, memory.type, n, Output::features, result.features.data(), &stop)) cancelled();
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
                       &stop, begin))
      cancelled();
    result.labels.insert(result.labels.end(), batch.labels.begin(), batch.labels.end());
  }
  return result;
}

// { first, classes }, copied; undefined: none.
AlsoCorrect also_correct_from_javascript(const Napi::Value& value) {
  if (value.IsUndefined()) return {};
  const Napi::Object object = value.ToObject();
  const auto first = int32_array(object.Get("first"), "first of alsoCorrect");
  const auto classes = int32_array(object.Get("classes"), "classes of alsoCorrect");
  return {{first.data, first.data + first.length}, {classes.data, classes.data + classes.length}};
}

Napi::Float64Array column(Napi::Env env, const EvaluationResult& result, double (*value)(const ClassMetrics&)) {
  Napi::Float64Array array = Napi::Float64Array::New(env, result.per_class.size());
  for (std::size_t i = 0; i < result.per_class.size(); ++i) array[i] = value(result.per_class[i]);
  return array;
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
  return object;
}

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
  EvaluationOptions evaluation;
  evaluation.softmax = string_field(options, "scores", "logits") == "softmax";
  evaluation.negatives = std::max<std::int64_t>(0, integer_field(options, "negatives", all_negatives));
  evaluation.seed = static_cast<std::uint64_t>(integer_field(options, "seed", 1));
  return job_to_javascript(env, start_job(
                                    env,
                                    [use, examples, also_correct, evaluation](Job& job) mutable -> Finish {
                                      Embedded embedded = embed(**use, *examples, job.cancelled);
                                      examples.reset();
                                      evaluation.also_correct = also_correct.get();
                                      evaluation.cancelled = &job.cancelled;
                                      ModelScores blocks(**use, std::move(embedded.features));
                                      std::optional<EvaluationResult> done =
                                          evaluate(blocks, embedded.labels.data(), evaluation);
                                      if (!done) cancelled();
                                      auto result = std::make_shared<EvaluationResult>(*std::move(done));
                                      return [result](Napi::Env settled) { return to_javascript(settled, *result); };
                                    },
                                    sources.wake()));
}

}  // namespace onelogit::addon
