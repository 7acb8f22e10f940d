// cuBLAS at the products of the last layer: logits (m×k from m×d and k×d), the gradient of the hidden activations, the
// gradient of the class matrix.
#include "backend/cuda/product.h"

#include "measure.h"

namespace onelogit::bench {
namespace {

using cuda::CublasType;
using cuda::Product;

struct Shape {
  std::int64_t m, k, d;
};

void measure(const Shape& shape) {
  const auto [m, k, d] = shape;
  const auto count = [](std::int64_t rows, std::int64_t columns) { return static_cast<std::size_t>(rows * columns); };
  const auto hidden = normal_values(count(m, d), 1.0f, "hidden activations"),
             weight = normal_values(count(k, d), 1.0f, "the class matrix");
  const auto hidden_bits = normal_bfloat16(count(m, d), "hidden activations"),
             weight_bits = normal_bfloat16(count(k, d), "the class matrix");
  const cuda::DeviceBuffer<float> logits(count(m, k), "logits"), gradient(count(std::max(m, k), d), "a gradient");
  const auto gradient_bits = normal_bfloat16(count(m, k), "the gradient of the logits");
  cuda::check(cudaMemset(logits.data(), 0, count(m, k) * sizeof(float)), "logits");
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bfloat16}) {
    const bool narrow = precision == Precision::bfloat16;
    cuda::Products products(nullptr, precision);
    const CublasType type = narrow ? CublasType::bfloat16 : CublasType::float32;
    const void* const h = narrow ? static_cast<const void*>(hidden_bits.data()) : hidden.data();
    const void* const w = narrow ? static_cast<const void*>(weight_bits.data()) : weight.data();
    const void* const g = narrow ? static_cast<const void*>(gradient_bits.data()) : logits.data();
    // {transpose_a, transpose_b, m, n, k, …}
    const Product forward{false, true, m, k, d, 1.0f, h, type, d, w, type, d, 0.0f, logits.data(), k};
    const Product to_hidden{false, false, m, d, k, 1.0f, g, type, k, w, type, d, 0.0f, gradient.data(), d};
    const Product to_weight{true, false, k, d, m, 1.0f, g, type, k, h, type, d, 0.0f, gradient.data(), d};
    const auto times = alternate(nullptr,
                                 {[&] { products.multiply(to_hidden); }, [&] { products.multiply(to_weight); },
                                  [&] { products.multiply(forward); }},
                                 7);
    const double operations = 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(d);
    Line("products")
        .text("precision", std::string(precision_name(precision)))
        .number("m", static_cast<double>(m))
        .number("k", static_cast<double>(k))
        .number("d", static_cast<double>(d))
        .seconds("gradientHidden", times[0])
        .seconds("gradientWeight", times[1])
        .seconds("logits", times[2])
        .number("operationsPerSecond", 3 * operations / (times[0].median + times[1].median + times[2].median));
  }
}

}  // namespace

void products(bool large) {
  measure({4096, 131'072, 4096});
  measure({4096, 131'072, 512});
  if (large) measure({4096, 1'000'000, 512});
}

}  // namespace onelogit::bench
