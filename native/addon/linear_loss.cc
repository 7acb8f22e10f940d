// linearLoss: the last layer and its loss in one pass, on arrays of the caller's.

#include "addon/addon.h"
#include "addon/call_backend.h"
#include "addon/loss_arguments.h"
#include "backend/through_device.h"

namespace onelogit::addon {
namespace {

void expect_length(std::size_t length, std::int64_t expected, const char* what) {
  if (length != static_cast<std::size_t>(expected))
    throw Error(
        ErrorKind::range, "ERR_ONELOGIT_LENGTH",
        "Expected " + std::to_string(expected) + " elements for " + what + " but received " + std::to_string(length));
}

// (loss, { hidden, weight, bias?, labels, features, classes, workspaceBytes, device, gradHidden, gradWeight, gradBias
// }) → value. src/linear-loss.ts has checked types and ranges; lengths are what memory safety rests on.
Napi::Value linear_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const LossSpec spec = loss_from_javascript(info[0].As<Napi::Object>());
    const Napi::Object options = info[1].As<Napi::Object>();
    LinearLossArguments arguments;
    arguments.d = integer_field(options, "features", 0);
    arguments.k = integer_field(options, "classes", 0);
    const std::string device = string_field(options, "device", "auto");
    const std::int64_t workspace = integer_field(options, "workspaceBytes", default_linear_loss_workspace);

    // Every property is read before any pointer is taken: a getter could detach a buffer.
    const Napi::Value hidden_value = options.Get("hidden"), weight_value = options.Get("weight"),
                      bias_value = options.Get("bias"), labels_value = options.Get("labels"),
                      hidden_gradient_value = options.Get("gradHidden"),
                      weight_gradient_value = options.Get("gradWeight"), bias_gradient_value = options.Get("gradBias");
    const auto label_view = int32_array(labels_value, "labels");
    // Labels become indices: they are checked in a copy that no other thread can change afterwards.
    const std::vector<std::int32_t> labels(label_view.data, label_view.data + label_view.length);
    arguments.m = static_cast<std::int64_t>(labels.size());
    if (arguments.m < 1 || arguments.d < 1 || arguments.k < 1)
      throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH", "Expected at least one example, feature and class");
    check_loss(spec, arguments.k);
    check_labels(labels.data(), arguments.m, arguments.k);
    arguments.labels = labels.data();
    const auto hidden = float32_array(hidden_value, "hidden");
    expect_length(hidden.length, arguments.m * arguments.d, "hidden");
    arguments.hidden = hidden.data;
    if (is_uint16_array(weight_value)) {
      const auto weight = uint16_array(weight_value, "weight");
      expect_length(weight.length, arguments.k * arguments.d, "weight");
      arguments.weight = weight.data;
      arguments.weight_type = WeightType::bfloat16;
    } else {
      const auto weight = float32_array(weight_value, "weight");
      expect_length(weight.length, arguments.k * arguments.d, "weight");
      arguments.weight = weight.data;
    }
    if (!bias_value.IsUndefined()) {
      const auto bias = float32_array(bias_value, "bias");
      expect_length(bias.length, arguments.k, "bias");
      arguments.bias = bias.data;
    }
    const auto hidden_gradient = float32_array(hidden_gradient_value, "gradHidden");
    expect_length(hidden_gradient.length, arguments.m * arguments.d, "gradHidden");
    arguments.gradient_hidden = hidden_gradient.data;
    const auto weight_gradient = float32_array(weight_gradient_value, "gradWeight");
    expect_length(weight_gradient.length, arguments.k * arguments.d, "gradWeight");
    arguments.gradient_weight = weight_gradient.data;
    const auto bias_gradient = float32_array(bias_gradient_value, "gradBias");
    expect_length(bias_gradient.length, arguments.k, "gradBias");
    arguments.gradient_bias = bias_gradient.data;

    double value = 0;
    with_call_backend(device, [&](Backend& backend) {
      const std::unique_ptr<LinearLossKernel> kernel =
          backend.make_linear_loss(spec, arguments.m, arguments.d, arguments.k, static_cast<std::size_t>(workspace));
      if (&backend == &cpu_backend())
        kernel->run(arguments, &value);
      else
        value = linear_loss_through_device(backend, *kernel, arguments);
    });
    return Napi::Number::New(info.Env(), value);
  });
}

}  // namespace

void export_linear_loss(Napi::Env env, Napi::Object exports) {
  exports.Set("linearLoss", Napi::Function::New(env, linear_loss, "linearLoss"));
}

}  // namespace onelogit::addon
