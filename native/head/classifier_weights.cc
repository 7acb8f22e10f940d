#include "head/classifier_weights.h"

#include <algorithm>
#include <cstdint>

#include "error.h"
#include "model/graph.h"
#include "model/model_file.h"

namespace onelogit {
namespace {

constexpr std::uint64_t piece = std::uint64_t{1} << 20;  // bytes copied at once

// Calls body(first, count) for all rows of the matrix, a few at a time.
template <class Body>
void for_pieces(const ClassMatrix& matrix, const Body& body) {
  const std::int64_t at_once = std::max<std::int64_t>(1, static_cast<std::int64_t>(piece) / (matrix.features() * 4));
  for (std::int64_t first = 0; first < matrix.classes(); first += at_once)
    body(first, std::min(at_once, matrix.classes() - first));
}

std::string scale_name(const std::string& weight_name) { return weight_name + ".scale"; }

// What a file has a class matrix stored as; other floating-point types count as float32.
ClassStorage storage_of(const TensorEntry& weight) {
  return weight.dtype == "I8"     ? ClassStorage::int8
         : weight.dtype == "BF16" ? ClassStorage::bfloat16
                                  : ClassStorage::float32;
}

[[noreturn]] void reject(const SafetensorsFile& file, const std::string& expected, const std::string& received) {
  throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
              "Expected " + expected + " for " + file.path() + " but received " + received);
}

// The scales of an int8 weight, k float32.
const TensorEntry& scales_of(const SafetensorsFile& file, const TensorEntry& weight) {
  const std::string name = scale_name(weight.name);
  const TensorEntry* const entry = file.find(name);
  if (entry == nullptr || entry->dtype != "F32" || entry->shape != Shape{weight.shape[0]})
    reject(file, "F32 of shape [" + std::to_string(weight.shape[0]) + "] for '" + name + "' beside an int8 weight",
           entry == nullptr ? "no such tensor" : entry->dtype + " of shape " + describe_shape(entry->shape));
  return *entry;
}

// Rows of a tensor k×d, from whatever the file has them as to whatever the matrix keeps.
void read_rows(const SafetensorsFile& file, const TensorEntry& entry, ClassMatrix& matrix) {
  const std::int64_t d = matrix.features();
  std::vector<float> rows, scales;
  std::vector<std::byte> stored;
  const bool same = storage_of(entry) == matrix.storage() && entry.dtype == storage_dtype(matrix.storage());
  if (entry.dtype == "I8") {
    scales.resize(static_cast<std::size_t>(matrix.classes()));
    file.read_float32(scales_of(file, entry), scales.data());
  }
  for_pieces(matrix, [&](std::int64_t first, std::int64_t count) {
    const std::size_t size = static_cast<std::size_t>(count * d);
    if (entry.dtype != "I8" && !same) {
      rows.resize(size);
      file.read_float32(entry, rows.data(), first * d, count * d);
      matrix.set_rows(first, count, rows.data());
      return;
    }
    const std::size_t width = storage_bytes(storage_of(entry));
    stored.resize(size * width);
    file.read(entry, stored.data(), static_cast<std::uint64_t>(first * d) * width, stored.size());
    if (same) {
      matrix.set_stored_rows(first, count, stored.data(), scales.empty() ? nullptr : scales.data() + first);
      return;
    }
    rows.resize(size);
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t n = 0; n < d; ++n)
        rows[static_cast<std::size_t>(i * d + n)] =
            static_cast<float>(static_cast<std::int8_t>(stored[static_cast<std::size_t>(i * d + n)])) *
            scales[static_cast<std::size_t>(first + i)];
    matrix.set_rows(first, count, rows.data());
  });
}

// The class matrix in the file's own pages.
ClassMatrix map_rows(const SafetensorsFile& file, const TensorEntry& weight, const TensorEntry* bias,
                     const ClassifierWeights::Keeping& keeping) {
  const ClassStorage storage = storage_of(weight);
  if (weight.dtype != storage_dtype(storage) || keeping.storage.value_or(storage) != storage ||
      (bias != nullptr && bias->dtype != "F32"))
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_STORAGE",
                "Expected the storage of the file, " + weight.dtype + ", for a memory map of " + file.path() +
                    " but received '" + std::string(storage_name(keeping.storage.value_or(storage))) +
                    "': onelogit convert writes a file of another storage");
  const auto mapping = file.map(keeping.prefault);
  ClassMatrix::View view{weight.shape[0], weight.shape[1], storage, mapping->data(weight), nullptr, nullptr};
  if (bias != nullptr) view.bias = static_cast<const float*>(mapping->data(*bias));
  if (storage == ClassStorage::int8) view.scale = static_cast<const float*>(mapping->data(scales_of(file, weight)));
  // The format asks for no alignment, and float32 that are not aligned cannot be read one by one.
  for (const float* const numbers : {view.bias, view.scale})
    if (reinterpret_cast<std::uintptr_t>(numbers) % alignof(float) != 0)
      reject(file, "tensors that begin at multiples of four bytes, to be mapped,", "one that does not");
  return ClassMatrix(view, mapping);
}

// As check_tensors, but the class matrix may be int8 with scales.
void check_classifier_tensors(const SafetensorsFile& file, const std::vector<NamedTensor>& planned,
                              const std::string& weight_name) {
  const TensorEntry* const weight = file.find(weight_name);
  if (weight == nullptr || weight->dtype != "I8") {
    check_tensors(file, planned);
    check_no_other_tensors(file, planned);
    return;
  }
  std::vector<NamedTensor> others, all = planned;
  for (const NamedTensor& tensor : planned) {
    if (tensor.name != weight_name)
      others.push_back(tensor);
    else if (weight->shape != tensor.shape)
      reject(file, "shape " + describe_shape(tensor.shape) + " for '" + weight_name + "'",
             describe_shape(weight->shape));
  }
  check_tensors(file, others);
  scales_of(file, *weight);
  all.push_back({scale_name(weight_name), {weight->shape[0]}, nullptr, false});
  check_no_other_tensors(file, all);
}

// "3.", what the names of the last dense layer's tensors begin with.
std::string head_prefix(const ModelSpec& spec) {
  const std::size_t last = last_dense_layer(spec);
  return tensor_prefix(spec.layers[last], last) + ".";
}

}  // namespace

ClassStorage check_classifier_file(const SafetensorsFile& file, const ModelSpec& spec) {
  const std::string weight = head_prefix(spec) + "weight";
  check_classifier_tensors(file, planned_tensors(spec), weight);
  return storage_of(*file.find(weight));
}

std::shared_ptr<const ClassifierWeights> ClassifierWeights::load(std::shared_ptr<const SafetensorsFile> file,
                                                                 const ModelSpec& spec,
                                                                 const Preprocessing& preprocessing, Backend& backend,
                                                                 const Keeping& keeping) {
  const std::size_t last = last_dense_layer(spec);
  const std::string prefix = head_prefix(spec);
  // A file whose layers claim more than its tensors hold must not make us ask for that much memory.
  check_classifier_file(*file, spec);
  Trunk trunk(spec, preprocessing, backend, [&](const NamedTensor& tensor) { read_tensors(*file, {tensor}, backend); });
  const TensorEntry& weight = *file->find(prefix + "weight");
  const TensorEntry* const bias = spec.layers[last].bias ? file->find(prefix + "bias") : nullptr;
  const auto read = [&] {
    ClassMatrix matrix(weight.shape[0], weight.shape[1], bias != nullptr, keeping.storage.value_or(storage_of(weight)));
    read_rows(*file, weight, matrix);
    if (bias != nullptr) file->read_float32(*bias, matrix.mutable_bias());
    return matrix;
  };
  const std::shared_ptr<ClassifierWeights> weights(
      new ClassifierWeights(std::move(trunk), keeping.memory_map ? map_rows(*file, weight, bias, keeping) : read()));
  weights->file_ = std::move(file);
  weights->weight_name_ = prefix + "weight";
  weights->bias_name_ = bias == nullptr ? "" : prefix + "bias";
  return weights;
}

std::shared_ptr<const ClassifierWeights> ClassifierWeights::snapshot(const Model& model, Backend& backend,
                                                                     std::optional<ClassStorage> storage) {
  Backend& from = model.backend();
  const NamedTensor& weight = model.class_weight();
  const NamedTensor* bias = model.class_bias();
  std::vector<HostTensor> copies;
  Trunk trunk(model.spec(), model.preprocessing.value_or(Preprocessing()), backend, [&](const NamedTensor& tensor) {
    const auto& tensors = model.tensors();
    const auto source = std::find_if(tensors.begin(), tensors.end(),
                                     [&](const NamedTensor& candidate) { return candidate.name == tensor.name; });
    HostTensor copy{tensor.name, tensor.shape, std::vector<float>(static_cast<std::size_t>(shape_size(tensor.shape)))};
    download_float32(from, *source, 0, shape_size(tensor.shape), copy.values.data());
    upload_float32(backend, tensor, 0, shape_size(tensor.shape), copy.values.data());
    copies.push_back(std::move(copy));
  });
  const std::int64_t k = weight.shape[0], d = weight.shape[1];
  const ClassStorage own = weight.type == WeightType::float32 ? ClassStorage::float32 : ClassStorage::bfloat16;
  ClassMatrix matrix(k, d, bias != nullptr, storage.value_or(own));
  std::vector<float> rows;
  for_pieces(matrix, [&](std::int64_t first, std::int64_t count) {
    rows.resize(static_cast<std::size_t>(count * d));
    download_float32(from, weight, first * d, count * d, rows.data());
    matrix.set_rows(first, count, rows.data());
  });
  if (bias != nullptr) download_float32(from, *bias, 0, k, matrix.mutable_bias());
  const std::shared_ptr<ClassifierWeights> weights(new ClassifierWeights(std::move(trunk), std::move(matrix)));
  weights->trunk_tensors_ = std::move(copies);
  weights->weight_name_ = weight.name;
  if (bias != nullptr) weights->bias_name_ = bias->name;
  return weights;
}

std::shared_ptr<const ClassifierWeights> ClassifierWeights::head(const SafetensorsFile& weight_file,
                                                                 const std::string& weight,
                                                                 const SafetensorsFile* bias_file,
                                                                 const std::string& bias, ClassStorage storage) {
  const TensorEntry* const rows = weight_file.find(weight);
  if (rows == nullptr || rows->shape.size() != 2)
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                "Expected a matrix '" + weight + "' in " + weight_file.path() + " but received none");
  ModelSpec spec;
  spec.input_shape = {rows->shape[1]};
  spec.layers.emplace_back();
  spec.layers.back().type = "dense";
  spec.layers.back().units = rows->shape[0];
  spec.layers.back().bias = bias_file != nullptr;
  make_layer(spec.layers.back(), spec.input_shape);  // checks the sizes
  ClassMatrix matrix(rows->shape[0], rows->shape[1], bias_file != nullptr, storage);
  read_rows(weight_file, *rows, matrix);
  if (bias_file != nullptr) {
    const TensorEntry* const numbers = bias_file->find(bias);
    if (numbers == nullptr || numbers->shape != Shape{rows->shape[0]})
      throw Error(ErrorKind::operation, "ERR_ONELOGIT_FORMAT",
                  "Expected " + std::to_string(rows->shape[0]) + " numbers '" + bias + "' in " + bias_file->path() +
                      " but received none");
    bias_file->read_float32(*numbers, matrix.mutable_bias());
  }
  Trunk trunk(spec, Preprocessing(), cpu_backend(), [](const NamedTensor&) {});
  const std::shared_ptr<ClassifierWeights> weights(new ClassifierWeights(std::move(trunk), std::move(matrix)));
  weights->weight_name_ = "0.weight";
  if (bias_file != nullptr) weights->bias_name_ = "0.bias";
  return weights;
}

std::map<std::string, std::string> ClassifierWeights::metadata() const {
  return file_ ? file_->metadata() : std::map<std::string, std::string>();
}

std::vector<TensorToWrite> ClassifierWeights::tensors() const {
  std::vector<TensorToWrite> result;
  // Of a file that has the class matrix as it is kept here, all tensors; else all others.
  bool matrix_as_in_file = false;
  if (file_) {
    const TensorEntry& weight = *file_->find(weight_name_);
    matrix_as_in_file = storage_of(weight) == matrix_.storage();
    for (const TensorEntry& entry : file_->tensors()) {
      const bool of_matrix = entry.name == weight_name_ || entry.name == scale_name(weight_name_);
      if (!entry.name.starts_with("thresholds") && (matrix_as_in_file || !of_matrix))
        result.push_back(copy_of_tensor(*file_, entry));
    }
  } else {
    for (const HostTensor& tensor : trunk_tensors_)
      result.push_back({tensor.name, "F32", tensor.shape, [&tensor](const auto& sink) {
                          sink(tensor.values.data(), tensor.values.size() * sizeof(float));
                        }});
  }
  if (matrix_as_in_file) return result;
  const std::int64_t k = matrix_.classes(), d = matrix_.features();
  result.push_back({weight_name_, storage_dtype(matrix_.storage()), {k, d}, [this, k, d](const auto& sink) {
                      const std::size_t bytes = static_cast<std::size_t>(d) * storage_bytes(matrix_.storage());
                      for (std::int64_t c = 0; c < k; ++c) sink(matrix_.row(c), bytes);
                    }});
  const auto numbers = [&](const std::string& name, const float* values) {
    result.push_back({name, "F32", {k}, [k, values](const auto& sink) {
                        sink(values, static_cast<std::size_t>(k) * sizeof(float));
                      }});
  };
  if (matrix_.storage() == ClassStorage::int8) numbers(scale_name(weight_name_), matrix_.scale_data());
  if (!file_ && matrix_.has_bias()) numbers(bias_name_, matrix_.bias_data());
  return result;
}

}  // namespace onelogit
