// The convolutions of ResNet-50, forward and backward, against cuBLAS products of their size, which take turns with
// them: what the windows that are gathered and spread cost on top.
#include "backend/cuda/conv2d.h"

#include "../resnet50_convolutions.h"
#include "measure.h"

namespace onelogit::bench {
namespace {

void measure(const Convolution& c, std::int64_t m, Precision precision) {
  const Conv2dGeometry g = geometry_of(c);
  const std::int64_t rows = m * g.out_pixels(), size = g.filter_size();
  const auto values = [](std::int64_t count, const char* what) {
    return normal_values(static_cast<std::size_t>(count), 1.0f, what);
  };
  const auto x = values(m * g.in_pixels() * g.channels, "images"), weight = values(g.filters * size, "a weight"),
             bias = values(g.filters, "a bias"), y = values(rows * g.filters, "an output"),
             dx = values(m * g.in_pixels() * g.channels, "a gradient"),
             dweight = values(g.filters * size, "a gradient"), dbias = values(g.filters, "a gradient");
  // Operands and result of the products; in bfloat16, operands that are.
  const bool narrow = precision == Precision::bfloat16;
  const cuda::CublasType type = narrow ? cuda::CublasType::bfloat16 : cuda::CublasType::float32;
  const auto windows = values(rows * size, "windows");
  const auto windows_bits = normal_bfloat16(static_cast<std::size_t>(narrow ? rows * size : 0), "windows"),
             weight_bits = normal_bfloat16(static_cast<std::size_t>(g.filters * size), "a weight"),
             y_bits = normal_bfloat16(static_cast<std::size_t>(rows * g.filters), "a gradient");
  const void* const a = narrow ? static_cast<const void*>(windows_bits.data()) : windows.data();
  const void* const w = narrow ? static_cast<const void*>(weight_bits.data()) : weight.data();
  const void* const dy = narrow ? static_cast<const void*>(y_bits.data()) : y.data();
  // {transpose_a, transpose_b, m, n, k, …}
  const cuda::Product forward{false, true, rows, g.filters, size, 1.0f,     a,        type,
                              size,  w,    type, size,      0.0f, y.data(), g.filters};
  const cuda::Product to_input{false,     false, rows, size, g.filters, 1.0f,           dy,  type,
                               g.filters, w,     type, size, 0.0f,      windows.data(), size};
  const cuda::Product to_weight{true,      false, g.filters, size, rows, 1.0f,           dy,  type,
                                g.filters, a,     type,      size, 0.0f, dweight.data(), size};
  cuda::Queue queue(nullptr, 0, precision);
  cuda::Convolutions convolutions(queue);
  const auto times =
      alternate(nullptr,
                {[&] { convolutions.forward(g, x.data(), {weight.data()}, {bias.data()}, y.data(), m); },
                 [&] { queue.products.multiply(forward); },
                 [&] { convolutions.backward_input(g, y.data(), weight.data(), dx.data(), m); },
                 [&] { queue.products.multiply(to_input); },
                 [&] { convolutions.backward_weight(g, x.data(), y.data(), dweight.data(), dbias.data(), m); },
                 [&] { queue.products.multiply(to_weight); }},
                5, 0.01);
  Line("convolutions")
      .text("precision", std::string(precision_name(precision)))
      .number("images", static_cast<double>(m))
      .number("size", static_cast<double>(c.size))
      .number("channels", static_cast<double>(c.channels))
      .number("filters", static_cast<double>(c.filters))
      .number("kernel", static_cast<double>(c.kernel))
      .number("stride", static_cast<double>(c.stride))
      .number("count", c.count)
      .number("operations",
              2.0 * static_cast<double>(rows) * static_cast<double>(g.filters) * static_cast<double>(size))
      .seconds("forward", times[0])
      .seconds("forwardProduct", times[1])
      .seconds("backwardInput", times[2])
      .seconds("backwardInputProduct", times[3])
      .seconds("backwardWeight", times[4])
      .seconds("backwardWeightProduct", times[5]);
}

}  // namespace

void convolutions(bool) {
  for (const Precision precision : {Precision::float32, Precision::tf32, Precision::bfloat16})
    for (const Convolution& c : resnet50_convolutions) measure(c, 32, precision);
}

}  // namespace onelogit::bench
