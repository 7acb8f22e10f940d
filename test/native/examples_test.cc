#include <doctest/doctest.h>

#include "backend/backend.h"
#include "backend/cpu/kernels/examples.h"
#include "random_values.h"
#include "simd_levels.h"

namespace onelogit {
namespace {

using test::close;
using test::random_values;

template <class T>
std::vector<T> raw_examples(std::int64_t n) {
  const auto values = random_values(n, 1, 0.0f, 255.0f);
  return {values.begin(), values.end()};
}

// (x · scale − mean_c) / standard_deviation_c, as backend.h says.
double expected(double x, const PreprocessingView& p, std::int64_t feature) {
  x *= static_cast<double>(p.scale);
  if (p.channels == 0) return x;
  return (x - p.mean[feature % p.channels]) / p.standard_deviation[feature % p.channels];
}

template <class T>
void check_loading(ExampleType type, std::int64_t features, std::int64_t channels, bool with_indices) {
  const std::int64_t rows = 19, m = with_indices ? 50 : rows;
  const auto source = raw_examples<T>(rows * features);
  const auto mean = random_values(channels, 2), deviation = random_values(channels, 3, 0.2f, 2.0f);
  PreprocessingView view;
  view.scale = 1.0f / 255;
  view.channels = channels;
  view.mean = channels == 0 ? nullptr : mean.data();
  view.standard_deviation = channels == 0 ? nullptr : deviation.data();
  std::vector<std::int64_t> indices(m);
  for (std::int64_t i = 0; i < m; ++i) indices[i] = with_indices ? (i * 7 + 3) % rows : i;
  std::vector<float> out(m * features);
  cpu_backend().load_examples(source.data(), type, with_indices ? indices.data() : nullptr, m, features, view,
                              out.data());
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < features; ++j)
      wrong += !close(out[i * features + j], expected(static_cast<double>(source[indices[i] * features + j]), view, j),
                      1e-5, 1e-6);
  CAPTURE(features);
  CAPTURE(channels);
  CHECK(wrong == 0);
}

TEST_CASE("examples of every type are gathered, scaled and standardised per channel") {
  for (const bool with_indices : {false, true})
    for (const auto& [features, channels] :
         {std::pair{1, 0}, {1, 1}, {3, 3}, {784, 0}, {784, 1}, {3072, 3}, {3072, 1024}, {35, 5}, {4000, 4000}}) {
      check_loading<std::uint8_t>(ExampleType::uint8, features, channels, with_indices);
      check_loading<float>(ExampleType::float32, features, channels, with_indices);
      check_loading<std::int32_t>(ExampleType::int32, features, channels, with_indices);
    }
}

TEST_CASE("conversion kernels at every length; all 256 bytes") {
  for (const auto& [name, kernels] : ONELOGIT_SIMD_TABLES(example_kernels)) {
    CAPTURE(name);
    for (const std::int64_t n : test::edge_lengths) {
      CAPTURE(n);
      std::vector<std::uint8_t> bytes(n);
      std::vector<std::int32_t> integers(n);
      for (std::int64_t i = 0; i < n; ++i) {
        bytes[i] = static_cast<std::uint8_t>(i * 37);
        integers[i] = static_cast<std::int32_t>(i * 1000 - 5);
      }
      const auto floats = test::hostile_values(n, 4), mean = random_values(n, 5), inverse = random_values(n, 6);
      std::vector<float> out(n);
      std::int64_t wrong = 0;
      for (const bool standardised : {false, true}) {
        const float* const shift = standardised ? mean.data() : nullptr;
        const float* const factor = standardised ? inverse.data() : nullptr;
        const auto compare = [&](const auto& source) {
          for (std::int64_t i = 0; i < n; ++i) {
            double x = static_cast<double>(source[i]) * 0.5;
            if (standardised) x = (x - mean[i]) * inverse[i];
            wrong += !close(out[i], x, 1e-6, 1e-6);
          }
        };
        kernels.from_uint8(bytes.data(), out.data(), n, 0.5f, shift, factor);
        compare(bytes);
        kernels.from_int32(integers.data(), out.data(), n, 0.5f, shift, factor);
        compare(integers);
        kernels.from_float32(floats.data(), out.data(), n, 0.5f, shift, factor);
        compare(floats);
      }
      CHECK(wrong == 0);
    }
  }
}

}  // namespace
}  // namespace onelogit
