// libFuzzer target for what a classifier makes of a file: any bytes give an Error or weights that can be asked and
// saved, in whatever storage, read or mapped, as a model or as a head trained elsewhere. Build and run:
// scripts/fuzz.sh.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "error.h"
#include "head/classifier_weights.h"

namespace {

using namespace onelogit;

// [4] → dense 3 → batchNorm → relu → dense 2: what the models of the corpus are.
ModelSpec network() {
  ModelSpec spec;
  spec.input_shape = {4};
  for (const char* const type : {"dense", "batchNorm", "relu", "dense"}) {
    spec.layers.emplace_back();
    spec.layers.back().type = type;
  }
  spec.layers[0].units = 3;
  spec.layers[3].units = 2;
  return spec;
}

void use(const ClassifierWeights& weights) {
  const std::vector<float> example(static_cast<std::size_t>(weights.trunk().input_size()), 0.5f);
  std::vector<float> features(static_cast<std::size_t>(weights.trunk().feature_size()));
  Trunk::Scratch scratch;
  weights.trunk().features(example.data(), ExampleType::float32, 1, scratch, features.data());
  float sum = 0;
  for (std::int64_t c = 0; c < weights.matrix().classes(); ++c) sum += weights.matrix().score(features.data(), c);
  volatile float kept = sum;
  static_cast<void>(kept);
  for (const TensorToWrite& tensor : weights.tensors()) tensor.produce([](const void*, std::size_t) {});
}

// Runs `body`; whatever is wrong with a file is one of these errors.
template <class Body>
void expect_errors(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string code = error.code();
    if (code != "ERR_ONELOGIT_FORMAT" && code != "ERR_ONELOGIT_STORAGE" && code != "ERR_ONELOGIT_LAYER") std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A file, because only a file can be mapped.
  const int descriptor = ::memfd_create("fuzz", 0);
  if (descriptor < 0 || ::write(descriptor, data, size) != static_cast<ssize_t>(size)) std::abort();
  const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  static const ModelSpec spec = network();
  using Keeping = ClassifierWeights::Keeping;
  static const std::vector<Keeping> keepings = {
      {std::nullopt, false, false},       {ClassStorage::float32, false, false}, {ClassStorage::bfloat16, false, false},
      {ClassStorage::int8, false, false}, {std::nullopt, true, false},           {std::nullopt, true, true},
  };
  expect_errors([&] {
    const auto file = std::make_shared<const SafetensorsFile>(SafetensorsFile::open(path));
    for (const Keeping& keeping : keepings)
      expect_errors([&] { use(*ClassifierWeights::load(file, spec, {}, cpu_backend(), keeping)); });
    for (const TensorEntry& tensor : file->tensors()) {
      if (tensor.shape.size() != 2) continue;
      expect_errors([&] { use(*ClassifierWeights::head(*file, tensor.name, nullptr, "")); });
      expect_errors([&] { use(*ClassifierWeights::head(*file, tensor.name, &*file, "bias", ClassStorage::int8)); });
    }
  });
  ::close(descriptor);
  return 0;
}
