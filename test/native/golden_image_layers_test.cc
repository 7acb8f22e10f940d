// Every layer of images alone against PyTorch: outputs, and gradients of inputs and weights. The values are written by
// test/golden/image_layers.py.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "format/safetensors.h"
#include "layer/layer.h"
#include "layer/layers.h"
#include "tensor/buffer.h"

namespace onelogit {
namespace {

struct Case {
  std::string name;
  LayerSpec spec;
};

constexpr Padding same = {.same = true};

LayerSpec window(const char* type, std::int64_t kernel_height, std::int64_t kernel_width, std::int64_t stride_y = 1,
                 std::int64_t stride_x = 1, const Padding& padding = {}) {
  LayerSpec spec;
  spec.type = type;
  spec.kernel[0] = kernel_height;
  spec.kernel[1] = kernel_width;
  spec.stride[0] = stride_y;
  spec.stride[1] = stride_x;
  spec.padding = padding;
  return spec;
}

LayerSpec convolution(std::int64_t filters, std::int64_t kernel_height, std::int64_t kernel_width,
                      std::int64_t stride_y = 1, std::int64_t stride_x = 1, const Padding& padding = {},
                      std::int64_t groups = 1, bool bias = true) {
  LayerSpec spec = window("conv2d", kernel_height, kernel_width, stride_y, stride_x, padding);
  spec.filters = filters;
  spec.groups = groups;
  spec.bias = bias;
  return spec;
}

LayerSpec max_pool(std::int64_t kernel_height, std::int64_t kernel_width, std::int64_t stride_y, std::int64_t stride_x,
                   const Padding& padding = {}) {
  return window("maxPool", kernel_height, kernel_width, stride_y, stride_x, padding);
}

LayerSpec avg_pool(std::int64_t kernel_height, std::int64_t kernel_width, std::int64_t stride_y, std::int64_t stride_x,
                   const Padding& padding = {}, bool count_padding = true) {
  LayerSpec spec = window("avgPool", kernel_height, kernel_width, stride_y, stride_x, padding);
  spec.count_padding = count_padding;
  return spec;
}

LayerSpec local_response_norm(const LocalResponseNorm& norm) {
  LayerSpec spec;
  spec.type = "localResponseNorm";
  spec.local_response_norm = norm;
  return spec;
}

LayerSpec batch_norm(float epsilon = 1e-5f, float momentum = 0.1f, bool frozen = false) {
  LayerSpec spec;
  spec.type = "batchNorm";
  spec.epsilon = epsilon;
  spec.momentum = momentum;
  spec.frozen = frozen;
  return spec;
}

LayerSpec plain(const char* type, const Padding& padding = {}) {
  LayerSpec spec;
  spec.type = type;
  spec.padding = padding;
  return spec;
}

// Paddings are top, bottom, left, right.
std::vector<Case> cases() {
  const auto all = [](std::int64_t pixels) { return Padding{false, pixels, pixels, pixels, pixels}; };
  return {
      {"conv2d 3×3", convolution(4, 3, 3)},
      {"conv2d 1×1", convolution(7, 1, 1)},
      {"conv2d 1×1, stride 2", convolution(3, 1, 1, 2, 2)},
      {"conv2d 1×1, padding", convolution(2, 1, 1, 1, 1, same, 1, false)},
      {"conv2d 3×3, same", convolution(5, 3, 3, 1, 1, same)},
      {"conv2d 3×3, same, stride 2, even", convolution(4, 3, 3, 2, 2, same)},
      {"conv2d 3×3, same, stride 2, odd", convolution(4, 3, 3, 2, 2, same)},
      {"conv2d 4×2, same", convolution(3, 4, 2, 1, 1, same)},
      {"conv2d 7×7, stride 2, padding 3", convolution(4, 7, 7, 2, 2, all(3), 1, false)},
      {"conv2d 11×11, stride 4, padding 2", convolution(2, 11, 11, 4, 4, all(2))},
      {"conv2d 1×7", convolution(4, 1, 7, 1, 1, {false, 0, 0, 3, 3})},
      {"conv2d 7×1", convolution(4, 7, 1, 1, 1, {false, 3, 3, 0, 0})},
      {"conv2d 3×5, stride 1×3", convolution(3, 3, 5, 1, 3, {false, 1, 1, 2, 2})},
      {"conv2d, padding of each side", convolution(3, 4, 5, 2, 1, {false, 3, 0, 1, 4})},
      {"conv2d, stride beyond the kernel", convolution(3, 2, 2, 3, 4)},
      {"conv2d, kernel of the image", convolution(3, 5, 6)},
      {"conv2d, two groups", convolution(4, 3, 3, 1, 1, same, 2)},
      {"conv2d, three groups, stride 2", convolution(9, 3, 3, 2, 2, all(1), 3, false)},
      {"conv2d 1×1, two groups", convolution(6, 1, 1, 1, 1, {}, 2)},
      {"conv2d, depthwise", convolution(7, 3, 3, 1, 1, same, 7)},
      {"conv2d, depthwise, stride 2, two each", convolution(10, 3, 3, 2, 2, same, 5)},
      {"conv2d, more channels", convolution(18, 3, 3, 1, 1, all(1))},
      {"maxPool 2×2", max_pool(2, 2, 2, 2)},
      {"maxPool 2×2, odd", max_pool(2, 2, 2, 2)},
      {"maxPool 3×3, stride 2", max_pool(3, 3, 2, 2)},
      {"maxPool 3×3, stride 2, padding 1", max_pool(3, 3, 2, 2, all(1))},
      {"maxPool 3×3, stride 2, same", max_pool(3, 3, 2, 2, same)},
      {"maxPool 3×3, stride 1, same", max_pool(3, 3, 1, 1, same)},
      {"maxPool 2×3, padding of each side", max_pool(2, 3, 1, 2, {false, 0, 1, 2, 1})},
      {"maxPool of ties", max_pool(3, 3, 2, 2, all(1))},
      {"avgPool 2×2", avg_pool(2, 2, 2, 2)},
      {"avgPool 3×3, padding counts", avg_pool(3, 3, 1, 1, all(1))},
      {"avgPool 3×3, padding does not count", avg_pool(3, 3, 1, 1, all(1), false)},
      {"avgPool 3×3, stride 2, same, padding counts", avg_pool(3, 3, 2, 2, same)},
      {"avgPool 3×3, stride 2, same, padding does not count", avg_pool(3, 3, 2, 2, same, false)},
      {"avgPool 2×3, padding of each side", avg_pool(2, 3, 1, 2, {false, 0, 1, 2, 1}, false)},
      {"globalAvgPool", plain("globalAvgPool")},
      {"localResponseNorm 5", local_response_norm({.size = 5, .alpha = 0.1f, .beta = 0.75f, .k = 2})},
      {"localResponseNorm 4", local_response_norm({.size = 4, .alpha = 0.5f, .beta = 0.6f, .k = 1})},
      {"localResponseNorm of few channels", local_response_norm({.size = 5, .alpha = 0.3f, .beta = 0.75f, .k = 1})},
      {"zeroPadding", plain("zeroPadding", {false, 1, 0, 2, 3})},
      {"batchNorm", batch_norm()},
      {"batchNorm, other options", batch_norm(1e-3f, 0.3f)},
      {"batchNorm, frozen", batch_norm(1e-3f, 0.1f, true)},
      {"add", plain("add")},
      {"add, three inputs", plain("add")},
      {"concat", plain("concat")},
  };
}

// What the file says of one case.
class Values {
 public:
  Values(const SafetensorsFile& file, std::string name) : file_(file), name_(std::move(name)) {}

  const TensorEntry* find(const std::string& key) const { return file_.find(name_ + "/" + key); }
  std::vector<float> read(const std::string& key) const {
    const TensorEntry* entry = find(key);
    REQUIRE_MESSAGE(entry != nullptr, key);
    std::vector<float> values(static_cast<std::size_t>(entry->elements()));
    file_.read_float32(*entry, values.data());
    return values;
  }
  Shape shape(const std::string& key) const {
    REQUIRE_MESSAGE(find(key) != nullptr, key);
    return find(key)->shape;
  }
  Shape shape_of_example(const std::string& key) const {
    const Shape whole = shape(key);
    return {whole.begin() + 1, whole.end()};
  }

 private:
  const SafetensorsFile& file_;
  std::string name_;
};

class LayerCheck {
 public:
  LayerCheck(Backend& backend, const Case& c, const Values& values)
      : backend_(backend), values_(values), frozen_(c.spec.frozen) {
    std::vector<Shape> shapes;
    while (values.find("x" + std::to_string(shapes.size())) != nullptr)
      shapes.push_back(values.shape_of_example("x" + std::to_string(shapes.size())));
    layer_ = make_layer(c.spec, shapes);
    examples_ = values.shape("x0").front();
    REQUIRE(layer_->output_shape() == values.shape_of_example("y"));
    for (std::size_t i = 0; i < shapes.size(); ++i) x_.push_back(uploaded("x" + std::to_string(i)));
    specs_ = layer_->tensor_specs();
    for (const TensorSpec& spec : specs_) {
      CAPTURE(spec.name);
      REQUIRE(spec.shape == values.shape(spec.name));
      weights_.push_back(uploaded(spec.name));
      gradients_.push_back(filled(shape_size(spec.shape)));
      tensors_.value.push_back(weights_.back().as<float>());
      tensors_.gradient.push_back(spec.trainable && !frozen_ ? gradients_.back().as<float>() : nullptr);
    }
  }

  void check() {
    const std::int64_t size = examples_ * shape_size(layer_->output_shape());
    const Pass pass{backend_, examples_, true, 0, 0};
    const Buffer dy = uploaded("dy"), y = filled(size);
    if (const auto* joining = dynamic_cast<const JoiningLayer*>(layer_.get())) {
      check_joining(*joining, pass, dy.as<float>(), y.as<float>());
      return;
    }
    const Buffer saved = filled(std::max<std::int64_t>(layer_->saved_size(examples_), 1)),
                 dx = filled(examples_ * shape_size(layer_->input_shape()));
    layer_->forward(pass, tensors_, x_[0].as<float>(), y.as<float>(), saved.as<float>());
    check_close("y", y.as<float>());
    layer_->backward(pass, tensors_, x_[0].as<float>(), y.as<float>(), dy.as<float>(), dx.as<float>(),
                     saved.as<float>());
    check_close("dx0", dx.as<float>());
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (tensors_.gradient[i] != nullptr) check_close("d" + specs_[i].name, tensors_.gradient[i]);
      if (!specs_[i].trainable) check_close("after_" + specs_[i].name, tensors_.value[i]);
    }
    check_inference();
  }

 private:
  Buffer filled(std::int64_t size) const {
    // NaN where nothing was written.
    const std::vector<float> values(static_cast<std::size_t>(size), std::nanf(""));
    return on_device(values);
  }
  Buffer uploaded(const std::string& key) const { return on_device(values_.read(key)); }
  Buffer on_device(const std::vector<float>& values) const {
    Buffer buffer(backend_, values.size() * sizeof(float));
    backend_.upload(buffer.data(), values.data(), values.size() * sizeof(float));
    return buffer;
  }

  void check_close(const std::string& key, const float* data) const { check_close(key, data, values_.read(key)); }
  // ‖a − b‖ ≤ 10⁻⁵ ‖b‖.
  void check_close(const std::string& key, const float* data, const std::vector<float>& expected) const {
    std::vector<float> actual(expected.size());
    backend_.download(actual.data(), data, actual.size() * sizeof(float));
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      difference += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
      norm += std::pow(expected[i], 2);
    }
    CAPTURE(key);
    CHECK(std::sqrt(difference) <= 1e-5 * std::sqrt(norm));
  }

  void check_joining(const JoiningLayer& layer, const Pass& pass, const float* dy, float* y) const {
    std::vector<const float*> x;
    x.reserve(x_.size());
    for (const Buffer& input : x_) x.push_back(input.as<float>());
    layer.join(pass, x, y);
    check_close("y", y);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::string key = "dx" + std::to_string(i);
      const Buffer dx = filled(values_.find(key)->elements());
      if (layer.adds()) CHECK(values_.read(key) == values_.read("dy"));
      layer.split(pass, i, dy, dx.as<float>());
      check_close(key, dx.as<float>());
    }
  }

  // Prediction takes other ways: pools that keep no places, convolutions with a sum and relu behind them.
  void check_inference() const {
    const auto* convolution = dynamic_cast<const ConvolutionLayer*>(layer_.get());
    const std::vector<float> expected = values_.read("y");
    const Buffer y = filled(static_cast<std::int64_t>(expected.size()));
    if (convolution == nullptr) {
      if (layer_->type() == "batchNorm") return;  // other statistics, whose values the frozen one has
      layer_->forward({backend_, examples_, false, 0, 0}, tensors_, x_[0].as<float>(), y.as<float>(), nullptr);
      check_close("y", y.as<float>());
      return;
    }
    const float* bias = tensors_.value.size() > 1 ? tensors_.value[1] : nullptr;
    const auto run = backend_.make_conv2d_inference(convolution->geometry(), tensors_.value[0], bias);
    run->run(x_[0].as<float>(), nullptr, false, y.as<float>(), examples_);
    check_close("y", y.as<float>());
    // dy in the place of what a block of layers has beside it.
    const std::vector<float> residual = values_.read("dy");
    std::vector<float> sum(expected);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = std::max(sum[i] + residual[i], 0.0f);
    backend_.upload(y.data(), residual.data(), residual.size() * sizeof(float));
    run->run(x_[0].as<float>(), y.as<float>(), true, y.as<float>(), examples_);
    check_close("y + residual, relu", y.as<float>(), sum);
  }

  Backend& backend_;
  const Values& values_;
  bool frozen_;
  std::unique_ptr<Layer> layer_;
  std::int64_t examples_ = 0;
  std::vector<Buffer> x_, weights_, gradients_;
  std::vector<TensorSpec> specs_;
  LayerTensors tensors_;
};

TEST_CASE("layers of images: outputs and gradients equal PyTorch's") {
  const auto file = SafetensorsFile::open(ONELOGIT_TEST_DIRECTORY "/golden/image_layers.safetensors");
  std::set<std::string> unseen;
  for (const TensorEntry& entry : file.tensors()) unseen.insert(entry.name.substr(0, entry.name.find('/')));
  for (const Case& c : cases()) {
    CAPTURE(c.name);
    const Values values(file, c.name);
    LayerCheck(cpu_backend(), c, values).check();
    unseen.erase(c.name);
  }
  CHECK(unseen.empty());
}

}  // namespace
}  // namespace onelogit
