// Timings that bench/ needs and users do not: not exported by src/index.ts.

#include <algorithm>
#include <chrono>
#include <vector>

#include "addon/addon.h"
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

}  // namespace

void export_bench(Napi::Env env, Napi::Object exports) {
  exports.Set("benchmarkProducts", Napi::Function::New(env, benchmark_products));
}

}  // namespace onelogit::addon
