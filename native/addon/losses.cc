#include "addon/addon.h"
#include "addon/call_backend.h"
#include "addon/loss_arguments.h"
#include "backend/through_device.h"

namespace onelogit::addon {
namespace {

template <class T>
struct Choice {
  const char* name;
  T value;
};

// The value of a field that must be one of a few strings.
template <class T, std::size_t count>
T choice_field(const Napi::Object& object, const char* field, const Choice<T> (&choices)[count]) {
  const std::string text = string_field(object, field, choices[0].name);
  std::string names;
  for (const Choice<T>& choice : choices) {
    if (text == choice.name) return choice.value;
    names += (names.empty() ? "'" : " or '") + std::string(choice.name) + "'";
  }
  throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
              "Expected " + names + " for " + field + " but received '" + text.substr(0, 40) + "'");
}

// (loss, logits, labels, classes, device) → { value, gradient }
Napi::Value loss_and_gradient(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (!info[0].IsObject())
      throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT", "Expected an object for loss but received something else");
    const LossSpec spec = loss_from_javascript(info[0].As<Napi::Object>());
    const std::int64_t classes = info[3].As<Napi::Number>().Int64Value();
    const std::string device = info[4].As<Napi::String>().Utf8Value();
    check_loss(spec, classes);

    // From here on no JavaScript runs before the views have been used.
    const ArrayView<std::int32_t> label_view = int32_array(info[2], "labels");
    const ArrayView<float> logits = float32_array(info[1], "logits");
    // Labels become indices: they are checked in a copy that no other thread can change afterwards.
    const std::vector<std::int32_t> labels(label_view.data, label_view.data + label_view.length);
    const auto m = static_cast<std::int64_t>(labels.size());
    if (m == 0)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH", "Expected at least one label for labels but received none");
    if (logits.length / labels.size() != static_cast<std::uint64_t>(classes) || logits.length % labels.size() != 0)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                  "Expected " + std::to_string(m) + " × " + std::to_string(classes) +
                      " numbers for logits but received " + std::to_string(logits.length));
    check_labels(labels.data(), m, classes);

    Napi::Float32Array gradient = Napi::Float32Array::New(env, logits.length);
    double value = 0;
    with_call_backend(device, [&](Backend& backend) {
      const std::unique_ptr<LossKernel> kernel = backend.make_loss(spec, classes, m);
      if (&backend == &cpu_backend())
        kernel->value_and_gradient(logits.data, labels.data(), m, 0, &value, gradient.Data());
      else
        value = loss_through_device(backend, *kernel, logits.data, labels.data(), m, classes, gradient.Data());
    });
    const Napi::Object result = Napi::Object::New(env);
    result.Set("value", Napi::Number::New(env, value));
    result.Set("gradient", gradient);
    return result;
  });
}

}  // namespace

LossSpec loss_from_javascript(const Napi::Object& object) {
  LossSpec spec;
  spec.kind = loss_kind_from_name(string_field(object, "name", ""));
  spec.reduction = choice_field<Reduction>(object, "reduction", {{"mean", Reduction::mean}, {"sum", Reduction::sum}});
  spec.margin = number_field(object, "margin", spec.margin);
  spec.alpha = number_field(object, "alpha", spec.alpha);
  spec.noise_ratio = number_field(object, "noiseRatio", spec.noise_ratio);
  spec.num_sampled = integer_field(object, "numSampled", spec.num_sampled);
  spec.samples = choice_field<NoiseSamples>(
      object, "samples", {{"shared", NoiseSamples::shared}, {"per-example", NoiseSamples::per_example}});
  spec.remove_accidental_hits = boolean_field(object, "removeAccidentalHits", spec.remove_accidental_hits);
  spec.seed = static_cast<std::uint64_t>(integer_field(object, "seed", 0));
  const Napi::Value noise = object.Get("noise");
  if (noise.IsTypedArray()) {
    const ArrayView<float> weights = float32_array(noise, "noise");
    spec.noise = NoiseKind::weights;
    spec.noise_weights.assign(weights.data, weights.data + weights.length);
  } else {
    spec.noise = choice_field<NoiseKind>(
        object, "noise",
        {{"uniform", NoiseKind::uniform}, {"log-uniform", NoiseKind::log_uniform}, {"unigram", NoiseKind::unigram}});
  }
  return spec;
}

void export_losses(Napi::Env env, Napi::Object exports) {
  exports.Set("lossAndGradient", Napi::Function::New(env, loss_and_gradient, "lossAndGradient"));
}

}  // namespace onelogit::addon
