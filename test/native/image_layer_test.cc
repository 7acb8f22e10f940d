// Layers of images, and layers of several inputs: shapes, refusals, tensors, and in chains against the float64
// reference network.
#include <doctest/doctest.h>

#include <limits>
#include <random>

#include "check_network.h"
#include "error.h"
#include "layer/windows.h"
#include "layer_specs.h"
#include "small_run.h"

namespace onelogit {
namespace {

using namespace test;

constexpr std::int64_t extent = std::int64_t{1} << 20;

std::string message_of(const LayerSpec& spec, const std::vector<Shape>& shapes) {
  try {
    make_layer(spec, shapes);
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_ONELOGIT_LAYER");
    CHECK(error.kind() == ErrorKind::range);
    return error.what();
  }
  return "none";
}
std::string message_of(const LayerSpec& spec, const Shape& shape) {
  return message_of(spec, std::vector<Shape>{shape});
}

TEST_CASE("image layers: shapes follow the formulas") {
  CHECK(make_layer(conv2d(64, 7, 7, 2, 2), Shape{224, 224, 3})->output_shape() == Shape{109, 109, 64});
  CHECK(make_layer(same(conv2d(64, 7, 7, 2, 2)), Shape{224, 224, 3})->output_shape() == Shape{112, 112, 64});
  CHECK(make_layer(padded(conv2d(64, 11, 11, 4, 4), 2, 2, 2, 2), Shape{224, 224, 3})->output_shape() ==
        Shape{55, 55, 64});
  CHECK(make_layer(windows("maxPool", 3, 3, 2, 2), Shape{55, 55, 96})->output_shape() == Shape{27, 27, 96});
  CHECK(make_layer(same(windows("maxPool", 3, 3, 2, 2)), Shape{13, 14, 5})->output_shape() == Shape{7, 7, 5});
  CHECK(make_layer(same(windows("avgPool", 3, 1)), Shape{8, 9, 2})->output_shape() == Shape{8, 9, 2});
  CHECK(make_layer(layer("globalAvgPool"), Shape{7, 8, 2048})->output_shape() == Shape{2048});
  CHECK(make_layer(padded(layer("zeroPadding"), 1, 2, 3, 4), Shape{5, 6, 7})->output_shape() == Shape{8, 13, 7});
  CHECK(make_layer(local_response_norm(5, 1, 0.75f, 1), Shape{4, 3, 2})->output_shape() == Shape{4, 3, 2});
  CHECK(make_layer(local_response_norm(5, 1, 0.75f, 1), Shape{9})->output_shape() == Shape{9});
  // The largest sizes there are: no sum or product of them overflows.
  CHECK(make_layer(same(windows("avgPool", extent, extent, extent, extent)), Shape{extent, extent, 256})
            ->output_shape() == Shape{1, 1, 256});
  CHECK(make_layer(same(windows("avgPool", extent, extent)), Shape{extent, extent, 256})->output_shape() ==
        Shape{extent, extent, 256});
}

// An option that cannot be is refused; for all others every window has a pixel of the image, and they are where the
// definition says.
TEST_CASE("image layers: no window is of padding alone, and `same` has its own formula") {
  std::int64_t tried = 0;
  for (std::int64_t length = 1; length <= 9; ++length)
    for (std::int64_t kernel = 1; kernel <= 10; ++kernel)
      for (std::int64_t stride = 1; stride <= 11; ++stride)
        for (std::int64_t before = -1; before <= kernel; ++before)
          for (std::int64_t after = 0; after <= kernel; ++after) {
            LayerSpec spec = padded(windows("maxPool", kernel, 1, stride, 1), before, after, 0, 0);
            if (before < 0) spec = same(spec);  // once
            if (before < 0 && after > 0) continue;
            const bool possible =
                before < 0 || (before < kernel && after < kernel && length + before + after >= kernel);
            if (!possible) {
              REQUIRE(message_of(spec, Shape{length, 2, 1}) != "none");
              continue;
            }
            const Pool2dGeometry g = window_geometry(spec, {length, 2, 1});
            const ReferenceAxis axis = reference_axis(length, kernel, stride, before < 0, before, after);
            REQUIRE(g.out_height == axis.windows);
            REQUIRE(g.top == axis.before);
            REQUIRE(g.out_height >= 1);
            for (std::int64_t window = 0; window < g.out_height; ++window) {
              const std::int64_t begin = window * stride - g.top;
              REQUIRE(begin < length);
              REQUIRE(begin + kernel > 0);
            }
            ++tried;
          }
  CHECK(tried > 10'000);
}

TEST_CASE("image layers: impossible options and shapes are errors that say what is wrong") {
  const Shape image{8, 9, 6};
  // Not images.
  for (const char* type : {"conv2d", "maxPool", "avgPool", "globalAvgPool", "zeroPadding"})
    for (const Shape& shape : {Shape{8}, Shape{8, 9}, Shape{8, 9, 6, 1}}) {
      LayerSpec spec = layer(type);
      spec.filters = 2;
      CHECK(message_of(spec, shape) == "Expected images, height × width × channels for the input of " +
                                           std::string(type) + " but received " + describe_shape(shape));
    }
  // Kernels and strides.
  for (const std::int64_t wrong : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max(), extent + 1})
    for (const bool by_same : {true, false})
      for (const int direction : {0, 1})
        for (LayerSpec spec : {conv2d(2, 3, 3), windows("maxPool", 3, 3), windows("avgPool", 3, 3)}) {
          spec.padding.same = by_same;
          const std::string axis = direction == 0 ? "vertical" : "horizontal";
          spec.kernel[direction] = wrong;
          CHECK(message_of(spec, image) == "Expected an integer from 1 to 2^20 for " + axis + " kernel of " +
                                               spec.type + " but received " + std::to_string(wrong));
          spec.kernel[direction] = 3;
          spec.stride[direction] = wrong;
          CHECK(message_of(spec, image) == "Expected an integer from 1 to 2^20 for " + axis + " stride of " +
                                               spec.type + " but received " + std::to_string(wrong));
        }
  // Padding.
  for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{3}, std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max()})
    for (int side = 0; side < 4; ++side) {
      LayerSpec spec = windows("maxPool", 3, 3);
      std::int64_t* const sides[] = {&spec.padding.top, &spec.padding.bottom, &spec.padding.left, &spec.padding.right};
      *sides[side] = wrong;
      CHECK(message_of(spec, image) == "Expected from 0 to below the kernel's 3 pixels for " +
                                           std::string(side < 2 ? "vertical" : "horizontal") +
                                           " padding of maxPool but received " + std::to_string(wrong));
    }
  // Windows larger than what there is.
  CHECK(message_of(windows("maxPool", 9, 1), image) ==
        "Expected an image of at least 9 pixels with its padding for vertical extent of maxPool but received 8");
  CHECK(message_of(padded(windows("avgPool", 1, 11), 0, 0, 0, 1), image) ==
        "Expected an image of at least 11 pixels with its padding for horizontal extent of avgPool but received 10");
  CHECK(message_of(padded(windows("avgPool", 1, 11), 0, 0, 1, 1), image) == "none");
  // Extents.
  CHECK(message_of(windows("maxPool", 1, 1), Shape{extent + 1, 1, 1}) ==
        "Expected at most 2^20 pixels for vertical extent of maxPool but received 1048577");
  CHECK(message_of(layer("globalAvgPool"), Shape{1, extent + 1, 1}) ==
        "Expected at most 2^20 pixels for horizontal extent of globalAvgPool but received 1048577");
  CHECK(message_of(layer("zeroPadding"), Shape{1, extent + 1, 1}) ==
        "Expected at most 2^20 pixels for the extent of zeroPadding but received [1, 1048577, 1]");
  CHECK(message_of(windows("maxPool", 1, 1), Shape{1 << 16, 1 << 15, 1}) ==
        "Expected less than 2^31 pixels for the input of maxPool but received [65536, 32768, 1]");
  // Filters and groups.
  for (const std::int64_t wrong : {std::int64_t{0}, std::int64_t{-5}, std::numeric_limits<std::int64_t>::min()})
    CHECK(message_of(conv2d(wrong, 3, 3), image) ==
          "Expected an integer of at least 1 for filters of conv2d but received " + std::to_string(wrong));
  for (const std::int64_t wrong : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{-2}, std::int64_t{4},
                                   std::int64_t{3}, std::int64_t{12}, std::numeric_limits<std::int64_t>::min()})
    CHECK(message_of(grouped(conv2d(8, 3, 3), wrong), image) ==
          "Expected a divisor of its 6 channels and 8 filters for groups of conv2d but received " +
              std::to_string(wrong));
  CHECK(message_of(grouped(conv2d(8, 3, 3), 2), image) == "none");
  // Sizes: of the weight, and of the output.
  CHECK(message_of(same(conv2d(std::int64_t{1} << 45, 3, 3)), image) ==
        "Expected at most 2^48 numbers for conv2d but received 35184372088832 filters of 3 × 3 over [8, 9, 6]");
  CHECK(message_of(conv2d(std::numeric_limits<std::int64_t>::max(), 1, 1), image) ==
        "Expected at most 2^48 numbers for conv2d but received 9223372036854775807 filters of 1 × 1 over [8, 9, 6]");
  CHECK(message_of(same(conv2d(1 << 10, extent, extent)), image) ==
        "Expected at most 2^48 numbers for conv2d but received 1024 filters of 1048576 × 1048576 over [8, 9, 6]");
  CHECK(message_of(conv2d(1 << 10, 1, 1), Shape{extent, extent, 1}) ==
        "Expected at most 2^48 numbers for conv2d but received 1024 filters of 1 × 1 over [1048576, 1048576, 1]");
  // Zero padding.
  for (const std::int64_t wrong : {std::int64_t{-1}, extent + 1, std::numeric_limits<std::int64_t>::min()})
    for (int side = 0; side < 4; ++side) {
      LayerSpec spec = layer("zeroPadding");
      std::int64_t* const sides[] = {&spec.padding.top, &spec.padding.bottom, &spec.padding.left, &spec.padding.right};
      *sides[side] = wrong;
      CHECK(message_of(spec, image) ==
            "Expected an integer from 0 to 2^20 for padding of zeroPadding but received " + std::to_string(wrong));
    }
  CHECK(message_of(same(layer("zeroPadding")), image) ==
        "Expected counts of pixels for padding of zeroPadding but received 'same'");
  CHECK(message_of(padded(layer("zeroPadding"), extent, extent, extent, extent), Shape{1, 1, 1 << 10}) ==
        "Expected at most 2^48 numbers for the shape of an example but received [2097153, 2097153, 1024]");
}

TEST_CASE("localResponseNorm: options out of range are errors") {
  const float wrong_numbers[] = {-1.0f, nan, infinity, -infinity};
  const Shape shape{4};
  for (const std::int64_t size : {std::int64_t{0}, std::int64_t{-3}, extent + 1})
    CHECK(message_of(local_response_norm(size, 1, 1, 1), shape) ==
          "Expected an integer from 1 to 2^20 for size of localResponseNorm but received " + std::to_string(size));
  for (const float wrong : wrong_numbers) {
    const std::string text = std::to_string(wrong);
    CHECK(message_of(local_response_norm(5, wrong, 1, 1), shape) ==
          "Expected a finite number of at least 0 for alpha of localResponseNorm but received " + text);
    CHECK(message_of(local_response_norm(5, 1, wrong, 1), shape) ==
          "Expected a finite number of at least 0 for beta of localResponseNorm but received " + text);
    CHECK(message_of(local_response_norm(5, 1, 1, wrong), shape) ==
          "Expected a finite number above 0 for k of localResponseNorm but received " + text);
  }
  CHECK(message_of(local_response_norm(5, 1, 1, 0), shape) ==
        "Expected a finite number above 0 for k of localResponseNorm but received 0.000000");
  CHECK(message_of(local_response_norm(extent, 0, 0, 1e-38f), shape) == "none");
}

TEST_CASE("layers of several inputs: as many as they take, of shapes that fit") {
  const Shape image{4, 5, 6};
  for (const char* type : {"add", "concat"}) {
    for (const std::size_t count : {0, 1})
      CHECK(message_of(layer(type), std::vector<Shape>(count, image)) ==
            "Expected two or more inputs for " + std::string(type) + " but received " + std::to_string(count));
    CHECK(message_of(layer(type), {image, {4, 0, 6}}) ==
          "Expected axes of at least 1 for the shape of an example but received [4, 0, 6]");
    CHECK(message_of(layer(type), std::vector<Shape>{image, Shape{}}) ==
          "Expected at least one axis for the shape of an example but received []");
  }
  for (const char* type : {"dense", "conv2d", "batchNorm", "relu", "flatten", "maxPool", "softmax", "no such layer"})
    for (const std::size_t count : {0, 2, 3})
      CHECK(message_of(layer(type), std::vector<Shape>(count, image)) ==
            "Expected one input for " + std::string(type) + " but received " + std::to_string(count));
  const auto add = make_layer(layer("add"), {image, image, image});
  CHECK(add->output_shape() == image);
  for (const Shape& other : {Shape{4, 5, 7}, Shape{4, 6, 6}, Shape{120}, Shape{4, 5, 6, 1}, Shape{4, 5}})
    CHECK(message_of(layer("add"), {image, image, other}) ==
          "Expected inputs of one shape for add but received [4, 5, 6] and " + describe_shape(other));
  const auto concat = make_layer(layer("concat"), {image, {4, 5, 1}, {4, 5, 30}});
  CHECK(concat->output_shape() == Shape{4, 5, 37});
  CHECK(make_layer(layer("concat"), std::vector<Shape>{{3}, {4}})->output_shape() == Shape{7});
  for (const Shape& other : {Shape{4, 6, 6}, Shape{3, 5, 6}, Shape{6}, Shape{4, 5, 6, 1}, Shape{4, 5}})
    CHECK(message_of(layer("concat"), {image, other}) ==
          "Expected inputs that differ in the last axis only for concat but received [4, 5, 6] and " +
              describe_shape(other));
  const std::int64_t most = std::int64_t{1} << 48;
  CHECK(message_of(layer("concat"), std::vector<Shape>{{most}, {1}}) ==
        "Expected at most 2^48 numbers for the shape of an example but received [281474976710657]");
}

TEST_CASE("conv2d: tensors of filters × kernel × channels of a group, with fans of one position") {
  LayerSpec spec = grouped(conv2d(8, 3, 5), 2);
  for (const std::optional<Initializer> initializer :
       {std::optional<Initializer>{}, std::optional<Initializer>{Initializer::glorot_uniform}}) {
    spec.initializer = initializer;
    const auto specs = make_layer(spec, Shape{9, 9, 6})->tensor_specs();
    REQUIRE(specs.size() == 2);
    CHECK(specs[0].name == "weight");
    CHECK(specs[0].shape == Shape{8, 3, 5, 3});
    CHECK(specs[0].trainable);
    CHECK(specs[0].initializer == initializer.value_or(Initializer::he_normal));
    // As torch counts: a filter reads 3·5 pixels of 3 channels; a channel is read by 3·5 pixels of 4 filters.
    CHECK(specs[0].fan_in == 45);
    CHECK(specs[0].fan_out == 60);
    CHECK(specs[1].name == "bias");
    CHECK(specs[1].shape == Shape{8});
    CHECK(specs[1].initializer == Initializer::zeros);
    CHECK(make_layer(without_bias(spec), Shape{9, 9, 6})->tensor_specs().size() == 1);
  }
  for (const char* type : {"maxPool", "avgPool", "globalAvgPool", "zeroPadding", "localResponseNorm"})
    CHECK(make_layer(layer(type), Shape{9, 9, 6})->tensor_specs().empty());
}

TEST_CASE("conv2d: weights are drawn with the deviation of he_normal and within the bounds of glorot_uniform") {
  for (const bool glorot : {false, true}) {
    LayerSpec convolution = grouped(conv2d(64, 3, 3), 2);
    if (glorot) convolution.initializer = Initializer::glorot_uniform;
    Model model({{4, 4, 32}, {convolution, layer("flatten"), dense(2)}, 5}, cpu_backend());
    const NamedTensor& weight = model.tensors().front();
    const auto values = downloaded(model.backend(), weight.values(), shape_size(weight.shape));
    double squares = 0, largest = 0;
    for (const float value : values) {
      squares += static_cast<double>(value) * static_cast<double>(value) / static_cast<double>(values.size());
      largest = std::max(largest, std::abs(static_cast<double>(value)));
    }
    const double fan_in = 9 * 16, fan_out = 9 * 32, bound = std::sqrt(6 / (fan_in + fan_out));
    CHECK(squares == doctest::Approx(glorot ? bound * bound / 3 : 2 / fan_in).epsilon(0.05));
    if (glorot) CHECK(largest <= bound);
    for (const float value : downloaded(model.backend(), model.tensors()[1].values(), 64)) CHECK(value == 0.0f);
  }
}

TEST_CASE("batchNorm: a frozen one goes by its running statistics, learns nothing, and takes a batch of one") {
  const ModelSpec spec{{3}, {dense(4), frozen(layer("batchNorm")), layer("relu"), dense(2)}};
  Model model(spec, cpu_backend());
  CHECK(model.parameter_count() == 3 * 4 + 4 + 4 * 2 + 2);
  for (const NamedTensor& tensor : model.tensors()) CHECK(tensor.trainable == !tensor.name.starts_with("1."));
  for (const std::int64_t m : {1, 2, 7}) CHECK(check_training(spec, {.m = m, .seed = 3}));
  check_prediction(spec, 3);
  // Not frozen, a batch of one has no variance; over images it has.
  Model vectors({{3}, {dense(4), layer("batchNorm"), dense(2)}}, cpu_backend());
  CHECK_THROWS_AS(vectors.plan_training(1, 0), Error);
  CHECK(check_training({{2, 2, 3}, {layer("batchNorm"), layer("flatten"), dense(2)}}, {.m = 1}));
}

TEST_CASE("image layers: outputs and gradients of chains equal the float64 reference") {
  const auto model = [](Shape input, std::vector<LayerSpec> layers) {
    layers.push_back(dense(3));
    return ModelSpec{std::move(input), std::move(layers)};
  };
  const std::vector<std::pair<std::string, ModelSpec>> networks = {
      {"conv2d", model({4, 5, 2}, {conv2d(3, 3, 2)})},
      {"conv2d without bias", model({4, 5, 2}, {without_bias(conv2d(3, 2, 3))})},
      {"conv2d of single pixels", model({3, 2, 4}, {conv2d(5, 1, 1), conv2d(2, 1, 1, 2, 1)})},
      {"conv2d same, strided", model({5, 6, 2}, {conv2d(2, 1, 1), same(conv2d(3, 3, 4, 2, 3))})},
      {"conv2d padded differently on each side", model({3, 4, 2}, {conv2d(2, 1, 1), padded(conv2d(2, 3, 3), 2, 0, 1, 2)})},
      {"conv2d in groups", model({4, 4, 6}, {conv2d(6, 1, 1), grouped(same(conv2d(4, 3, 3)), 2)})},
      {"conv2d of each channel for itself", model({4, 4, 3}, {conv2d(3, 1, 1), grouped(same(conv2d(6, 3, 3)), 3)})},
      {"conv2d, batchNorm, relu", model({4, 4, 2}, {same(conv2d(3, 3, 3)), layer("batchNorm"), layer("relu")})},
      {"conv2d, relu", model({4, 4, 2}, {same(conv2d(3, 3, 3)), layer("relu")})},
      {"conv2d, relu, batchNorm", model({4, 4, 2}, {same(conv2d(3, 3, 3)), layer("relu"), layer("batchNorm")})},
      {"conv2d, batchNorm, dropout, relu",
       model({4, 4, 2}, {without_bias(conv2d(3, 3, 3)), layer("batchNorm"), dropout(0.4f), layer("relu")})},
      {"conv2d, flatten, batchNorm", model({3, 3, 2}, {conv2d(3, 2, 2), layer("flatten"), layer("batchNorm")})},
      {"conv2d, flatten, relu", model({3, 3, 2}, {conv2d(3, 2, 2), layer("flatten"), layer("relu")})},
      {"maxPool", model({6, 5, 3}, {conv2d(3, 1, 1), windows("maxPool", 2, 2, 2, 2)})},
      {"maxPool overlapping, same", model({6, 5, 3}, {conv2d(3, 1, 1), same(windows("maxPool", 3, 3, 2, 2))})},
      {"maxPool first", model({4, 4, 2}, {windows("maxPool", 3, 2), conv2d(2, 1, 1)})},
      {"relu, maxPool, relu", model({6, 5, 2}, {conv2d(3, 1, 1), layer("relu"), windows("maxPool", 3, 3, 2, 2), layer("relu")})},
      {"avgPool", model({6, 5, 3}, {conv2d(3, 1, 1), padded(windows("avgPool", 3, 3, 2, 2), 1, 1, 1, 1)})},
      {"avgPool without its padding", [&] {
         LayerSpec pool = same(windows("avgPool", 3, 3));
         pool.count_padding = false;
         return model({3, 5, 3}, {conv2d(3, 1, 1), pool});
       }()},
      {"globalAvgPool", model({3, 5, 2}, {conv2d(4, 1, 1), layer("relu"), layer("globalAvgPool")})},
      {"zeroPadding", model({2, 3, 2}, {conv2d(2, 1, 1), padded(layer("zeroPadding"), 0, 1, 2, 3)})},
      {"zeroPadding, conv2d", model({2, 3, 2}, {padded(layer("zeroPadding"), 1, 1, 1, 1), conv2d(2, 3, 3)})},
      {"localResponseNorm", model({2, 2, 7}, {conv2d(7, 1, 1), local_response_norm(5, 2.0f, 0.75f, 1.0f)})},
      {"localResponseNorm, even and of another power",
       model({6}, {dense(7), local_response_norm(4, 3.0f, 0.6f, 0.5f), layer("relu")})},
      {"frozen conv2d and batchNorm", model({4, 4, 2}, {conv2d(3, 1, 1), frozen(conv2d(3, 2, 2)),
                                                        frozen(layer("batchNorm")), layer("relu"), conv2d(2, 2, 2)})},
      {"a frozen trunk", model({4, 4, 2}, {frozen(conv2d(3, 2, 2)), frozen(layer("batchNorm")), layer("relu"),
                                           windows("maxPool", 2, 2), layer("flatten")})},
      {"alexnet, small", model({9, 9, 3}, {padded(conv2d(4, 3, 3, 2, 2), 1, 1, 1, 1), layer("relu"),
                                           local_response_norm(5, 0.5f, 0.75f, 2.0f), windows("maxPool", 3, 3, 2, 2),
                                           grouped(same(conv2d(4, 3, 3)), 2), layer("relu"), layer("flatten"),
                                           dropout(0.5f), dense(5), layer("relu"), dropout(0.5f)})},
  };
  for (const auto& [name, spec] : networks) {
    CAPTURE(name);
    for (const std::int64_t m : {2, 3}) CHECK(check_training(spec, {.m = m, .seed = static_cast<std::uint32_t>(m)}));
    check_prediction(spec, 4);
  }
  CHECK(check_training(networks.front().second, {.m = 1}));
}

}  // namespace
}  // namespace onelogit
