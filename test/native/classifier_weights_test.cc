// What a classifier answers from gives the model's logits, whichever way it was made.

#include "head/classifier_weights.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <random>

#include "error.h"
#include "model/model_file.h"

namespace onelogit {
namespace {

LayerSpec layer(const std::string& type, std::int64_t units = 0, bool bias = true) {
  LayerSpec spec;
  spec.type = type;
  spec.units = units;
  spec.bias = bias;
  return spec;
}

// Every tensor random; variances positive.
void randomise(Model& model, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.5f);
  for (const NamedTensor& tensor : model.tensors())
    for (std::int64_t i = 0; i < shape_size(tensor.shape); ++i) {
      const float value = normal(random);
      tensor.values()[i] = tensor.name.ends_with("running_var") ? 0.3f + std::abs(value) : value;
    }
  model.tensors_changed();
}

struct Architecture {
  const char* name;
  ModelSpec spec;
  Preprocessing preprocessing;
};

std::vector<Architecture> architectures() {
  const LayerSpec bn = layer("batchNorm"), relu = layer("relu"), flatten = layer("flatten"), dropout = layer("dropout");
  return {
      {"perceptron", {{28}, {layer("dense", 20), bn, relu, layer("dense", 32), bn, relu, layer("dense", 5)}, 0}, {}},
      {"image",
       {{5, 4, 3}, {flatten, layer("dense", 9, false), bn, relu, dropout, layer("dense", 4, false)}, 0},
       {1.0f / 255, {0.4f, 0.5f, 0.6f}, {0.2f, 0.25f, 0.3f}}},
      {"one layer", {{33}, {layer("dense", 7)}, 0}, {}},
      {"softmax",
       {{6}, {relu, bn, layer("dense", 40), dropout, bn, bn, layer("dense", 3), layer("softmax")}, 0},
       {0.5f, {}, {}}},
      {"odd", {{2, 3}, {bn, relu, dropout, flatten, layer("dense", 1), relu, relu, layer("dense", 2)}, 0}, {}},
  };
}

std::vector<float> logits(Model& model, const void* examples, ExampleType type, std::int64_t m) {
  std::vector<float> out(static_cast<std::size_t>(m * model.classes()));
  REQUIRE(model.predict(examples, type, m, Output::logits, out.data(), nullptr));
  return out;
}

std::vector<float> scores(const ClassifierWeights& weights, const void* examples, ExampleType type, std::int64_t m) {
  Trunk::Scratch scratch;
  std::vector<float> features(static_cast<std::size_t>(m * weights.trunk().feature_size()));
  REQUIRE(weights.trunk().features(examples, type, m, scratch, features.data()));
  std::vector<float> out;
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t c = 0; c < weights.matrix().classes(); ++c)
      out.push_back(weights.matrix().score(features.data() + i * weights.trunk().feature_size(), c));
  return out;
}

// To rounding: folding and another order of summation, relative to the largest (a small one may be what is left of two
// large ones).
bool close(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  float largest = 0;
  for (const float x : b) largest = std::max(largest, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= 2e-6f * largest)) return false;
  return true;
}

std::map<std::string, std::vector<float>> tensors_of(const std::string& path) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::map<std::string, std::vector<float>> result;
  for (const TensorEntry& entry : file.tensors()) {
    auto& values = result[entry.name];
    values.resize(static_cast<std::size_t>(entry.elements()));
    file.read_float32(entry, values.data());
  }
  return result;
}

TEST_CASE("classifier weights: a snapshot, a file and a file of the file give the model's logits") {
  const std::string directory = (std::filesystem::temp_directory_path() / "onelogit-classifier-").string() +
                                std::to_string(std::random_device{}());
  std::filesystem::create_directory(directory);
  std::uint32_t seed = 1;
  for (const Architecture& architecture : architectures()) {
    CAPTURE(architecture.name);
    Model model(architecture.spec, cpu_backend());
    model.preprocessing = architecture.preprocessing;
    randomise(model, seed++);
    const std::int64_t m = 300;  // more than a chunk
    std::mt19937 random(seed);
    std::vector<float> floats;
    std::vector<std::uint8_t> bytes;
    for (std::int64_t i = 0; i < m * model.input_size(); ++i) {
      bytes.push_back(static_cast<std::uint8_t>(random()));
      floats.push_back(static_cast<float>(bytes.back()));
    }
    const auto snapshot = ClassifierWeights::snapshot(model, cpu_backend(), std::nullopt);
    const std::vector<float> expected = logits(model, floats.data(), ExampleType::float32, m);
    CHECK(close(scores(*snapshot, floats.data(), ExampleType::float32, m), expected));
    CHECK(close(scores(*snapshot, bytes.data(), ExampleType::uint8, m), expected));
    // One at a time, as `score` asks.
    Trunk::Scratch scratch;
    std::vector<float> features(static_cast<std::size_t>(model.feature_size()));
    std::vector<float> single;
    for (std::int64_t i = 0; i < m; ++i) {
      snapshot->trunk().features(floats.data() + i * model.input_size(), ExampleType::float32, 1, scratch,
                                 features.data());
      for (std::int64_t c = 0; c < model.classes(); ++c) single.push_back(snapshot->matrix().score(features.data(), c));
    }
    CHECK(close(single, expected));

    const std::string path = directory + "/model.safetensors", copy = directory + "/copy.safetensors",
                      again = directory + "/again.safetensors";
    write_safetensors(path, {}, tensors_to_write(model.tensors(), model.backend()));
    const auto open = [&](const std::string& from) {
      return ClassifierWeights::load(std::make_shared<SafetensorsFile>(SafetensorsFile::open(from)), architecture.spec,
                                     architecture.preprocessing, cpu_backend(), {});
    };
    const auto loaded = open(path);
    CHECK(scores(*loaded, bytes.data(), ExampleType::uint8, m) ==
          scores(*snapshot, bytes.data(), ExampleType::uint8, m));
    // Saving gives the model's own tensors back, not folded ones; saving over the file that is open works too.
    write_safetensors(copy, {}, snapshot->tensors());
    CHECK(tensors_of(copy) == tensors_of(path));
    write_safetensors(again, {}, loaded->tensors());
    CHECK(tensors_of(again) == tensors_of(path));
    const auto before = tensors_of(path);
    write_safetensors(path, {}, loaded->tensors());
    CHECK(tensors_of(path) == before);

    // A snapshot: training on changes nothing.
    randomise(model, 77);
    CHECK(close(scores(*snapshot, floats.data(), ExampleType::float32, m), expected));
    CHECK_FALSE(close(logits(model, floats.data(), ExampleType::float32, m), expected));
  }
  std::filesystem::remove_all(directory);
}

TEST_CASE("classifier weights: a file that does not fit the layers is refused before memory is asked for") {
  const std::string path =
      (std::filesystem::temp_directory_path() / "onelogit-misfit-").string() + std::to_string(std::random_device{}());
  Model model({{4}, {layer("dense", 3), layer("relu"), layer("dense", 2)}, 0}, cpu_backend());
  write_safetensors(path, {}, tensors_to_write(model.tensors(), model.backend()));
  const auto code = [&](const ModelSpec& spec) -> std::string {
    try {
      ClassifierWeights::load(std::make_shared<SafetensorsFile>(SafetensorsFile::open(path)), spec, {}, cpu_backend(),
                              {});
    } catch (const Error& error) {
      return error.code();
    }
    return "";
  };
  CHECK(code(model.spec()) == "");
  CHECK(code({{5}, model.spec().layers, 0}) == "ERR_ONELOGIT_FORMAT");
  CHECK(code({{4}, {layer("dense", 3), layer("relu"), layer("dense", 2), layer("dense", 2)}, 0}) ==
        "ERR_ONELOGIT_FORMAT");
  CHECK(code({{4}, {layer("dense", std::int64_t{1} << 40), layer("relu"), layer("dense", 2)}, 0}) ==
        "ERR_ONELOGIT_FORMAT");
  CHECK(code({{4}, {layer("dense", 3), layer("relu")}, 0}) == "ERR_ONELOGIT_LAYER");
  CHECK(code({{4}, {}, 0}) == "ERR_ONELOGIT_LAYER");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace onelogit
