#include "model/model_file.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <string>

#include "error.h"
#include "format/utf8.h"
#include "model/graph.h"

namespace onelogit {
namespace {

constexpr std::int64_t piece = 1 << 20;  // elements
constexpr std::size_t piece_bytes = std::size_t{4} << 20;

[[noreturn]] void reject(const SafetensorsFile& file, const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
              "Expected " + expected + " for " + file.path() + " but received " + received);
}

const TensorEntry& entry_for(const SafetensorsFile& file, const NamedTensor& tensor) {
  const std::string wanted = "a tensor '" + tensor.name + "' of shape " + describe_shape(tensor.shape);
  const TensorEntry* entry = file.find(tensor.name);
  if (entry == nullptr) reject(file, wanted, "a file without it");
  if (entry->shape != tensor.shape) reject(file, wanted, "shape " + describe_shape(entry->shape));
  if (entry->dtype != "F32" && entry->dtype != "F16" && entry->dtype != "BF16" && entry->dtype != "F64")
    reject(file, wanted + " and floating-point type", "type " + entry->dtype);
  return *entry;
}

}  // namespace

std::vector<TensorToWrite> tensors_to_write(const std::vector<NamedTensor>& tensors, Backend& backend) {
  std::vector<TensorToWrite> result;
  result.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) {
    const char* const dtype = tensor.type == WeightType::float32 ? "F32" : "BF16";
    result.push_back({tensor.name, dtype, tensor.shape, [&tensor, &backend](const auto& sink) {
                        const std::size_t total =
                            static_cast<std::size_t>(shape_size(tensor.shape)) * weight_bytes(tensor.type);
                        std::vector<std::byte> bytes(std::min(total, piece_bytes));
                        for (std::size_t begin = 0; begin < total; begin += piece_bytes) {
                          const std::size_t count = std::min(piece_bytes, total - begin);
                          backend.download(bytes.data(), static_cast<const std::byte*>(tensor.data) + begin, count);
                          sink(bytes.data(), count);
                        }
                      }});
  }
  return result;
}

void check_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& tensor : tensors) entry_for(file, tensor);
}

void read_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors, Backend& backend) {
  check_tensors(file, tensors);
  std::vector<float> values;
  for (const NamedTensor& tensor : tensors) {
    const TensorEntry& entry = entry_for(file, tensor);
    const std::int64_t size = shape_size(tensor.shape);
    values.resize(static_cast<std::size_t>(std::min(size, piece)));
    for (std::int64_t begin = 0; begin < size; begin += piece) {
      const std::int64_t count = std::min(piece, size - begin);
      file.read_float32(entry, values.data(), begin, count);
      upload_float32(backend, tensor, begin, count, values.data());
    }
  }
}

void check_readable(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors) {
  std::vector<const TensorEntry*> entries;
  entries.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) entries.push_back(&entry_for(file, tensor));
  file.check_readable(entries);
}

std::vector<NamedTensor> planned_tensors(const ModelSpec& spec) {
  const Graph graph(spec);
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < spec.layers.size(); ++i) {
    const std::string prefix = tensor_prefix(spec.layers[i], i) + ".";
    for (const TensorSpec& tensor : graph.nodes()[i].layer->tensor_specs())
      tensors.push_back({prefix + tensor.name, tensor.shape, nullptr, tensor.trainable, tensor.type});
  }
  return tensors;
}

void check_no_other_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& tensors) {
  constexpr std::string_view companions[] = {"class_names.", "thresholds", "optimizer.", "training."};
  std::set<std::string_view> own;
  for (const NamedTensor& tensor : tensors) own.insert(tensor.name);
  for (const TensorEntry& entry : file.tensors()) {
    const bool companion = std::any_of(std::begin(companions), std::end(companions),
                                       [&](std::string_view prefix) { return entry.name.starts_with(prefix); });
    if (!companion && !own.contains(entry.name))
      reject(file, "only tensors of its layers", "an unknown tensor " + quoted(entry.name));
  }
}

}  // namespace onelogit
