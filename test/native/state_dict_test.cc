// Weights from elsewhere: where each number goes, and that nothing changes when anything is wrong.

#include "model/state_dict.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "error.h"
#include "scratch_directory.h"

namespace onelogit {
namespace {

// A convolution, and a dense layer of what it makes of a 3×2 image.
ModelSpec small_network(WeightType storage = WeightType::float32) {
  ModelSpec spec;
  spec.input_shape = {3, 2, 2};
  LayerSpec conv, dense;
  conv.type = "conv2d";
  conv.name = "conv";
  conv.filters = 3;
  conv.kernel[0] = 2;
  conv.padding.same = true;
  dense.type = "dense";
  dense.name = "fc";
  dense.units = 2;
  dense.storage = storage;
  spec.layers = {conv, dense};
  return spec;
}

// A file whose tensors hold 0, 1, 2 …, each from `start` on.
struct File {
  void add(const std::string& name, const std::string& shape, std::int64_t count, float start,
           const std::string& dtype = "F32") {
    const std::size_t begin = data.size();
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = start + static_cast<float>(i);
      const auto* own = reinterpret_cast<const std::uint8_t*>(&value);
      data.insert(data.end(), own, own + 4);
    }
    header += (header.size() > 1 ? ",\"" : "\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) + "]}";
  }
  SafetensorsFile parse() {
    const std::string text = header + "}";
    const std::uint64_t length = text.size();
    bytes.resize(8);
    std::memcpy(bytes.data(), &length, 8);
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.insert(bytes.end(), data.begin(), data.end());
    return SafetensorsFile::parse(bytes, "test.safetensors");
  }
  std::string header = "{";
  std::vector<std::uint8_t> data, bytes;
};

std::vector<float> values_of(const Model& model, std::size_t index) {
  const NamedTensor& tensor = model.tensors()[index];
  std::vector<float> values(static_cast<std::size_t>(shape_size(tensor.shape)));
  download_float32(model.backend(), tensor, 0, static_cast<std::int64_t>(values.size()), values.data());
  return values;
}

std::string code_of(Model& model, const SafetensorsFile& file, const std::vector<StateDictTensor>& tensors) {
  try {
    load_state_dict(model, {&file, 1}, tensors);
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

File whole_file() {
  File file;
  file.add("conv.weight", "3,2,2,1", 12, 100);
  file.add("conv.bias", "3", 3, 5);
  file.add("fc.weight", "2,18", 36, 0);
  file.add("fc.bias", "2", 2, -1);
  return file;
}

const std::vector<StateDictTensor> whole{
    {"conv.weight", 0, 2, 2}, {"conv.bias", 0, 1, 1}, {"fc.weight", 0, 3, 6}, {"fc.bias", 0, 1, 1}};

}  // namespace

TEST_CASE("state dict: rows of channels × pixels become rows of pixels × channels") {
  CpuBackend backend;
  for (const WeightType storage : {WeightType::float32, WeightType::bfloat16}) {
    Model model(small_network(storage), backend);
    File bytes = whole_file();
    const SafetensorsFile file = bytes.parse();
    load_state_dict(model, {&file, 1}, whole);
    CHECK(values_of(model, 0) == std::vector<float>{100, 102, 101, 103, 104, 106, 105, 107, 108, 110, 109, 111});
    CHECK(values_of(model, 1) == std::vector<float>{5, 6, 7});
    const std::vector<float> dense = values_of(model, 2);
    for (std::size_t unit = 0; unit < 2; ++unit)
      for (std::size_t pixel = 0; pixel < 6; ++pixel)
        for (std::size_t channel = 0; channel < 3; ++channel)
          CHECK(dense[unit * 18 + pixel * 3 + channel] == static_cast<float>(unit * 18 + channel * 6 + pixel));
    CHECK(values_of(model, 3) == std::vector<float>{-1, 0});
  }
}

TEST_CASE("state dict: a tensor larger than a piece is read in pieces of whole rows") {
  CpuBackend backend;
  ModelSpec spec;
  spec.input_shape = {7, 5, 11};  // 385 numbers: no divisor of a piece
  LayerSpec dense;
  dense.type = "dense";
  dense.units = 2731;
  spec.layers = {dense};
  Model model(spec, backend);
  File bytes;
  bytes.add("0.weight", "2731,385", 2731 * 385, 0);  // below 2^24: exact in float32
  const SafetensorsFile file = bytes.parse();
  const std::vector<float> bias = values_of(model, 1);
  load_state_dict(model, {&file, 1}, std::vector<StateDictTensor>{{"0.weight", 0, 11, 35}});
  const std::vector<float> values = values_of(model, 0);
  std::int64_t wrong = 0;
  for (std::int64_t unit = 0; unit < 2731; ++unit)
    for (std::int64_t pixel = 0; pixel < 35; ++pixel)
      for (std::int64_t channel = 0; channel < 11; ++channel)
        wrong += values[static_cast<std::size_t>(unit * 385 + pixel * 11 + channel)] !=
                 static_cast<float>(unit * 385 + channel * 35 + pixel);
  CHECK(wrong == 0);
  CHECK(values_of(model, 1) == bias);  // was not asked for
}

TEST_CASE("state dict: what does not fit changes nothing") {
  CpuBackend backend;
  Model model(small_network(), backend);
  const std::vector<float> before = values_of(model, 0);
  const auto refuses = [&](const char* code, File bytes, std::vector<StateDictTensor> last) {
    const SafetensorsFile file = bytes.parse();
    std::vector<StateDictTensor> tensors{whole.front()};
    tensors.insert(tensors.end(), last.begin(), last.end());
    CHECK(code_of(model, file, tensors) == code);
    CHECK(values_of(model, 0) == before);
  };
  const auto with = [](const std::string& name, const std::string& shape, std::int64_t count,
                       const std::string& dtype = "F32") {
    File file;
    file.add("conv.weight", "3,2,2,1", 12, 100);
    file.add(name, shape, count, 0, dtype);
    return file;
  };
  refuses("ERR_ONELOGIT_FORMAT", with("fc.weight", "2,18", 36), {{"fc.bias", 0, 1, 1}});
  refuses("ERR_ONELOGIT_FORMAT", with("fc.bias", "3", 3), {{"fc.bias", 0, 1, 1}});
  refuses("ERR_ONELOGIT_FORMAT", with("fc.bias", "2", 2, "I32"), {{"fc.bias", 0, 1, 1}});
  refuses("ERR_ONELOGIT_TENSOR", with("other", "2", 2), {{"other", 0, 1, 1}});
  refuses("ERR_ONELOGIT_TENSOR", with("fc.bias", "2", 2), {{"fc.bias", 1, 1, 1}});
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  for (const auto& [channels, pixels] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{3, 5}, {0, 6}, {6, -3}, {largest, 2}, {2, largest}, {37, 1}})
    refuses("ERR_ONELOGIT_TENSOR", with("fc.weight", "2,18", 36), {{"fc.weight", 0, channels, pixels}});
}

namespace {

// A device that fails at the n-th copy to it from now on.
class FailingBackend : public CpuBackend {
 public:
  void upload(void* device, const void* host, std::size_t bytes) override {
    if (uploads_left > 0 && --uploads_left == 0)
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_TEST", "Expected a device that works");
    CpuBackend::upload(device, host, bytes);
  }
  int uploads_left = 0;
};

std::vector<float> answer(Model& model) {
  const std::vector<float> input(12, 1.0f);
  std::vector<float> logits(2);
  model.predict(input.data(), ExampleType::float32, 1, Output::logits, logits.data(), nullptr);
  return logits;
}

}  // namespace

TEST_CASE("state dict: a file that ends while it is read changes nothing") {
  const test::ScratchDirectory directory;
  const std::string path = directory / "weights.safetensors";
  File bytes = whole_file();
  bytes.parse();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.bytes.data()), bytes.bytes.size());
  CpuBackend backend;
  Model model(small_network(), backend), other(small_network(), backend);
  const std::vector<float> before = answer(model);
  const SafetensorsFile file = SafetensorsFile::open(path);
  std::filesystem::resize_file(path, bytes.bytes.size() - 4 * (36 + 2));  // without the dense layer
  CHECK(code_of(model, file, whole) == "ERR_ONELOGIT_FILE");
  for (std::size_t i = 0; i < 4; ++i) CHECK(values_of(model, i) == values_of(other, i));
  CHECK(answer(model) == before);
  CHECK_FALSE(model.mixed);
}

TEST_CASE(
    "state dict: a device that fails half way leaves a model that says so, and whose answers are those of its "
    "tensors") {
  FailingBackend backend;
  Model model(small_network(), backend), other(small_network(), backend);
  const std::vector<float> before = answer(model);
  File bytes = whole_file();
  const SafetensorsFile file = bytes.parse();
  backend.uploads_left = 3;
  CHECK(code_of(model, file, whole) == "ERR_ONELOGIT_TEST");
  CHECK(model.mixed);
  CHECK(values_of(model, 0) != values_of(other, 0));
  CHECK(values_of(model, 2) == values_of(other, 2));
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<float> values = values_of(model, i);
    upload_float32(backend, other.tensors()[i], 0, static_cast<std::int64_t>(values.size()), values.data());
  }
  CHECK(answer(model) == answer(other));
  CHECK(answer(model) != before);
  CHECK(code_of(model, file, whole) == "");
  CHECK_FALSE(model.mixed);
}

TEST_CASE("state dict: a file that is written to while it is read leaves a model that says so") {
  // Somebody writes to the file at the third copy to the device.
  class Overwriting : public CpuBackend {
   public:
    void upload(void* device, const void* host, std::size_t bytes) override {
      if (uploads_left > 0 && --uploads_left == 0)
        std::filesystem::last_write_time(path, std::filesystem::last_write_time(path) + std::chrono::seconds(1));
      CpuBackend::upload(device, host, bytes);
    }
    std::string path;
    int uploads_left = 0;
  };
  const test::ScratchDirectory directory;
  Overwriting backend;
  backend.path = directory / "weights.safetensors";
  File bytes = whole_file();
  bytes.parse();
  std::ofstream(backend.path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.bytes.data()), static_cast<std::streamsize>(bytes.bytes.size()));
  Model model(small_network(), backend);
  const SafetensorsFile file = SafetensorsFile::open(backend.path);
  backend.uploads_left = 3;
  CHECK(code_of(model, file, whole) == "ERR_ONELOGIT_FILE");
  CHECK(model.mixed);
  CHECK(code_of(model, SafetensorsFile::open(backend.path), whole) == "");
  CHECK_FALSE(model.mixed);
}

}  // namespace onelogit
