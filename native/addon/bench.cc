// Timings that bench/ needs and users do not: not exported by src/index.ts.

#include <algorithm>
#include <chrono>
#include <iterator>
#include <vector>

#include "addon/addon.h"
#include "addon/loss_arguments.h"
#include "backend/backend.h"
#include "tensor/buffer.h"

namespace onelogit::addon {
namespace {

struct Product {
  Transpose transpose_a, transpose_b;
  std::int64_t m, n, k;
  Buffer a, b, c;
};

Buffer filled(Backend& backend, std::int64_t size) {
  Buffer buffer(backend, static_cast<std::size_t>(size) * sizeof(float));
  auto* values = buffer.as<float>();
  // Ordinary numbers: zeros and denormals can be faster or slower than what training multiplies.
  for (std::int64_t i = 0; i < size; ++i) values[i] = static_cast<float>((i * 2654435761LL) % 1009) / 1009.0f - 0.5f;
  return buffer;
}

std::int64_t dimension(const Napi::Object& shape, const char* name) {
  const std::int64_t value = integer_field(shape, name, 0);
  if (value < 1 || value > 1'000'000)
    throw Error(
        ErrorKind::range, "ERR_ONELOGIT_RANGE",
        "Expected an integer from 1 to 1000000 for " + std::string(name) + " but received " + std::to_string(value));
  return value;
}

Product product(Backend& backend, const Napi::Object& shape) {
  const std::int64_t m = dimension(shape, "m"), n = dimension(shape, "n"), k = dimension(shape, "k");
  return {boolean_field(shape, "transposeA", false) ? Transpose::yes : Transpose::no,
          boolean_field(shape, "transposeB", false) ? Transpose::yes : Transpose::no,
          m,
          n,
          k,
          filled(backend, m * k),
          filled(backend, k * n),
          filled(backend, m * n)};
}

// benchmarkProducts([{ m, n, k, transposeA?, transposeB? }, …], repetitions) → Float64Array(repetitions): milliseconds
// for all of the products C (m×n) = op(A) op(B) on the CPU, one after the other, each on matrices of its own as in a
// training step.
Napi::Value benchmark_products(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    if (!info[0].IsArray() || !info[1].IsNumber())
      throw Error(
          ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
          "Expected an array of shapes and a number of repetitions for benchmarkProducts but received something else");
    const auto shapes = info[0].As<Napi::Array>();
    const double repetitions = info[1].As<Napi::Number>().DoubleValue();
    if (!(repetitions >= 1 && repetitions <= 1e6))
      throw Error(ErrorKind::range, "ERR_ONELOGIT_RANGE",
                  "Expected 1 to 1000000 for repetitions but received " + std::to_string(repetitions));
    Backend& backend = cpu_backend();
    std::vector<Product> products;
    for (std::uint32_t i = 0; i < shapes.Length(); ++i) {
      const Napi::Value shape = shapes.Get(i);
      if (!shape.IsObject())
        throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
                    "Expected an object for shapes[" + std::to_string(i) + "] but received another value");
      products.push_back(product(backend, shape.As<Napi::Object>()));
    }
    std::vector<double> times(static_cast<std::size_t>(repetitions));
    for (double& milliseconds : times) {
      const auto begin = std::chrono::steady_clock::now();
      for (const Product& p : products)
        backend.gemm(p.transpose_a, p.transpose_b, p.m, p.n, p.k, 1.0f, p.a.as<float>(),
                     p.transpose_a == Transpose::yes ? p.m : p.k, p.b.as<float>(),
                     p.transpose_b == Transpose::yes ? p.k : p.n, 0.0f, p.c.as<float>(), p.n);
      milliseconds = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    }
    auto result = Napi::Float64Array::New(env, times.size());
    std::copy(times.begin(), times.end(), result.Data());
    return result;
  });
}

// The memory of one of unfusedLinearLoss's arrays, which must have this length.
float* numbers(const Napi::Value& value, std::int64_t length, const char* name) {
  const auto array = float32_array(value, name);
  if (array.length != static_cast<std::size_t>(length))
    throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH",
                "Expected " + std::to_string(length) + " numbers for " + name + " but received " +
                    std::to_string(array.length));
  return array.data;
}

// unfusedLinearLoss(loss, { hidden, weight, bias, labels, features, classes, gradHidden, gradWeight, gradBias, logits,
// gradLogits }) → value: what linearLoss computes, on the CPU, through the m×k logits and their gradient as a model's
// layers do. Those two are the caller's as well, so that their page faults are not timed.
Napi::Value unfused_linear_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsObject() || !info[1].IsObject())
      throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
                  "Expected a loss and an object for unfusedLinearLoss but received something else");
    const LossSpec spec = loss_from_javascript(info[0].As<Napi::Object>());
    const Napi::Object options = info[1].As<Napi::Object>();
    const std::int64_t d = dimension(options, "features"), k = dimension(options, "classes");
    check_loss(spec, k);
    // Every property is read before any pointer is taken: a getter could detach a buffer.
    const char* const names[] = {"hidden",     "weight",   "bias",   "gradHidden",
                                 "gradWeight", "gradBias", "logits", "gradLogits"};
    const Napi::Value labels_value = options.Get("labels");
    std::vector<Napi::Value> values;
    for (const char* name : names) values.push_back(options.Get(name));
    const auto labels = int32_array(labels_value, "labels");
    const auto m = static_cast<std::int64_t>(labels.length);
    if (m < 1) throw Error(ErrorKind::range, "ERR_ONELOGIT_LENGTH", "Expected at least one label but received none");
    check_labels(labels.data, m, k);
    const std::int64_t lengths[] = {m * d, k * d, k, m * d, k * d, k, m * k, m * k};
    float* arrays[std::size(names)];
    for (std::size_t i = 0; i < std::size(names); ++i) arrays[i] = numbers(values[i], lengths[i], names[i]);
    const auto [hidden, weight, bias, hidden_gradient, weight_gradient, bias_gradient, logits, logits_gradient] =
        arrays;

    Backend& backend = cpu_backend();
    double value = 0;
    backend.dense_forward(hidden, weight, bias, logits, m, d, k);
    backend.make_loss(spec, k, m)->value_and_gradient(logits, labels.data, m, 0, &value, logits_gradient);
    backend.dense_backward_input(logits_gradient, weight, hidden_gradient, m, d, k);
    backend.dense_backward_weight(hidden, logits_gradient, weight_gradient, bias_gradient, m, d, k);
    return Napi::Number::New(info.Env(), value);
  });
}

}  // namespace

void export_bench(Napi::Env env, Napi::Object exports) {
  exports.Set("benchmarkProducts", Napi::Function::New(env, benchmark_products));
  exports.Set("unfusedLinearLoss", Napi::Function::New(env, unfused_linear_loss));
}

}  // namespace onelogit::addon
