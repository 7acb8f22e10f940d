// averagePrecision, precisionAtRecall and separation: synchronous, on the caller's arrays.

#include "metrics/metrics.h"
#include "addon/addon.h"

namespace onelogit::addon {
namespace {

struct OneClass {
  const float* scores;
  const std::uint8_t* positives;
  std::int64_t n;
};

OneClass one_class(const Napi::CallbackInfo& info) {
  const ArrayView<float> scores = float32_array(info[0], "scores");
  const ArrayView<std::uint8_t> positives = uint8_array(info[1], "positives");
  if (scores.length != positives.length)
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected as many positives as scores (" + std::to_string(scores.length) + ") but received " +
                    std::to_string(positives.length));
  return {scores.data, positives.data, static_cast<std::int64_t>(scores.length)};
}

Napi::Value average_precision_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const OneClass data = one_class(info);
    return Napi::Number::New(info.Env(), average_precision(data.scores, data.positives, data.n));
  });
}

Napi::Value precision_at_recall_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const OneClass data = one_class(info);
    const double recall = info[2].ToNumber().DoubleValue();
    return Napi::Number::New(info.Env(), precision_at_recall(data.scores, data.positives, data.n, recall));
  });
}

Napi::Value separation_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const ArrayView<float> logits = float32_array(info[0], "logits");
    const ArrayView<std::int32_t> labels = int32_array(info[1], "labels");
    const std::int64_t classes = info[2].ToNumber().Int64Value();
    const auto m = static_cast<std::int64_t>(labels.length);
    if (classes < 1 || m < 1 || logits.length % labels.length != 0 ||
        static_cast<std::int64_t>(logits.length) / m != classes)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                  "Expected labels × classes (" + std::to_string(m) + " × " + std::to_string(classes) +
                      ") numbers for logits but received " + std::to_string(logits.length));
    const Separation result = separation(logits.data, labels.data, m, classes);
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("misordered", Napi::Number::New(info.Env(), result.misordered));
    object.Set("holds", Napi::Boolean::New(info.Env(), result.holds));
    return object;
  });
}

}  // namespace

void export_metrics(Napi::Env env, Napi::Object exports) {
  exports.Set("averagePrecision", Napi::Function::New(env, average_precision_of));
  exports.Set("precisionAtRecall", Napi::Function::New(env, precision_at_recall_of));
  exports.Set("separation", Napi::Function::New(env, separation_of));
}

}  // namespace onelogit::addon
