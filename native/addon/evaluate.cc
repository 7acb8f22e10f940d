// model.evaluate: scores of every example for every class, then the metrics over them, off the event loop.

#include <algorithm>
#include <limits>
#include <new>

#include "addon/dataset.h"
#include "addon/model.h"
#include "metrics/metrics.h"

namespace onelogit::addon {
namespace {

// Examples asked of a reader at a time.
constexpr std::int64_t rows_at_once = 1024;

[[noreturn]] void cancelled() {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_ABORTED", "Expected an evaluation to finish but it was cancelled");
}

struct Scored {
  std::vector<float> scores;  // n×k
  std::vector<std::int32_t> labels;
};

Scored score(Model& model, ExampleSource& source, Output output, const std::atomic<bool>& stop) {
  const std::int64_t n = source.length(), k = model.classes();
  if (n > std::numeric_limits<std::int64_t>::max() / k / 8) throw std::bad_alloc();
  Scored result;
  result.scores.resize(static_cast<std::size_t>(n * k));
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs != nullptr) {
    result.labels.assign(memory.labels, memory.labels + n);
    if (!model.predict(memory.inputs, memory.type, n, output, result.scores.data(), &stop)) cancelled();
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
    if (!model.predict(batch.inputs.data(), batch.type, count, output, result.scores.data() + begin * k, &stop))
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

Napi::Object to_javascript(Napi::Env env, const EvaluationResult& result) {
  const Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { object.Set(name, Napi::Number::New(env, value)); };
  set("examples", static_cast<double>(result.examples));
  set("classes", static_cast<double>(result.classes));
  set("accuracy", result.accuracy);
  set("averagePrecision", result.average_precision);
  set("precisionAt90", result.precision_at_90);
  set("precisionAt99", result.precision_at_99);
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
                     bool softmax) {
  auto use = std::make_shared<SharedModel::Use>(model, false, "model.evaluate");
  Sources sources;
  auto examples = sources.add(source, (*use)->input_size());
  if (examples->classes() > (*use)->classes())
    throw Error(ErrorKind::range, "ERR_ONELOGIT_CLASSES",
                "Expected at most " + std::to_string((*use)->classes()) + " classes for dataset but received " +
                    std::to_string(examples->classes()));
  return job_to_javascript(
      env, start_job(
               env,
               [use, examples, softmax](Job& job) mutable -> Finish {
                 Scored scored = score(**use, *examples, softmax ? Output::softmax : Output::logits, job.cancelled);
                 examples.reset();
                 auto result = std::make_shared<EvaluationResult>(
                     evaluate_scores(scored.scores.data(), scored.labels.data(),
                                     static_cast<std::int64_t>(scored.labels.size()), (*use)->classes()));
                 return [result](Napi::Env settled) { return to_javascript(settled, *result); };
               },
               sources.wake()));
}

}  // namespace onelogit::addon
