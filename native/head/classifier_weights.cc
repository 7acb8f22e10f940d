#include "head/classifier_weights.h"

#include <algorithm>

#include "error.h"
#include "model/model_file.h"

namespace onelogit {
namespace {

constexpr std::uint64_t piece = std::uint64_t{1} << 20;  // bytes copied at once

TensorToWrite copy_of(const SafetensorsFile& file, const TensorEntry& entry) {
  return {entry.name, entry.dtype, entry.shape, [&file, &entry](const auto& sink) {
            const std::uint64_t bytes = entry.end - entry.begin;
            std::vector<std::uint8_t> buffer(static_cast<std::size_t>(std::min(piece, bytes)));
            for (std::uint64_t done = 0; done < bytes; done += piece) {
              const std::uint64_t count = std::min(piece, bytes - done);
              file.read(entry, buffer.data(), done, count);
              sink(buffer.data(), static_cast<std::size_t>(count));
            }
          }};
}

// Rows of a tensor k×d: at once if they lie as in the file, else a few at a time.
void read_rows(const SafetensorsFile& file, const TensorEntry& entry, ClassMatrix& matrix) {
  const std::int64_t k = matrix.classes(), d = matrix.features();
  if (matrix.stride() == d) {
    file.read_float32(entry, matrix.mutable_row(0));
    return;
  }
  const std::int64_t at_once = std::max<std::int64_t>(1, static_cast<std::int64_t>(piece) / (d * 4));
  std::vector<float> rows(static_cast<std::size_t>(std::min(at_once, k) * d));
  for (std::int64_t first = 0; first < k; first += at_once) {
    const std::int64_t count = std::min(at_once, k - first);
    file.read_float32(entry, rows.data(), first * d, count * d);
    for (std::int64_t i = 0; i < count; ++i) std::copy_n(rows.data() + i * d, d, matrix.mutable_row(first + i));
  }
}

}  // namespace

std::shared_ptr<const ClassifierWeights> ClassifierWeights::load(std::shared_ptr<const SafetensorsFile> file,
                                                                 const ModelSpec& spec,
                                                                 const Preprocessing& preprocessing, Backend& backend) {
  const std::size_t last = last_dense_layer(spec);
  // A file whose layers claim more than its tensors hold must not make us ask for that much memory.
  const std::vector<NamedTensor> planned = planned_tensors(spec);
  check_tensors(*file, planned);
  check_no_other_tensors(*file, planned);
  Trunk trunk(spec, preprocessing, backend, [&](const NamedTensor& tensor) { read_tensors(*file, {tensor}, backend); });
  const std::string prefix = std::to_string(last) + ".";
  const bool has_bias = spec.layers[last].bias;
  ClassMatrix matrix(spec.layers[last].units, trunk.feature_size(), has_bias);
  read_rows(*file, *file->find(prefix + "weight"), matrix);
  if (has_bias) file->read_float32(*file->find(prefix + "bias"), matrix.mutable_bias());
  const std::shared_ptr<ClassifierWeights> weights(new ClassifierWeights(std::move(trunk), std::move(matrix)));
  weights->file_ = std::move(file);
  return weights;
}

std::shared_ptr<const ClassifierWeights> ClassifierWeights::snapshot(const Model& model) {
  Backend& backend = model.backend();
  const NamedTensor& weight = model.class_weight();
  const NamedTensor* bias = model.class_bias();
  std::vector<HostTensor> copies;
  Trunk trunk(model.spec(), model.preprocessing.value_or(Preprocessing()), backend, [&](const NamedTensor& tensor) {
    const auto& tensors = model.tensors();
    const auto source = std::find_if(tensors.begin(), tensors.end(),
                                     [&](const NamedTensor& candidate) { return candidate.name == tensor.name; });
    HostTensor copy{tensor.name, tensor.shape, std::vector<float>(static_cast<std::size_t>(shape_size(tensor.shape)))};
    download_float32(backend, *source, 0, shape_size(tensor.shape), copy.values.data());
    upload_float32(backend, tensor, 0, shape_size(tensor.shape), copy.values.data());
    copies.push_back(std::move(copy));
  });
  const std::int64_t k = weight.shape[0], d = weight.shape[1];
  ClassMatrix matrix(k, d, bias != nullptr);
  for (std::int64_t c = 0; c < k; ++c) download_float32(backend, weight, c * d, d, matrix.mutable_row(c));
  if (bias != nullptr) download_float32(backend, *bias, 0, k, matrix.mutable_bias());
  const std::shared_ptr<ClassifierWeights> weights(new ClassifierWeights(std::move(trunk), std::move(matrix)));
  weights->trunk_tensors_ = std::move(copies);
  weights->weight_name_ = weight.name;
  if (bias != nullptr) weights->bias_name_ = bias->name;
  return weights;
}

std::shared_ptr<const ClassifierWeights> ClassifierWeights::head(const SafetensorsFile& weight_file,
                                                                 const std::string& weight,
                                                                 const SafetensorsFile* bias_file,
                                                                 const std::string& bias) {
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
  ClassMatrix matrix(rows->shape[0], rows->shape[1], bias_file != nullptr);
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
  if (file_) {
    for (const TensorEntry& entry : file_->tensors())
      if (entry.name != "thresholds") result.push_back(copy_of(*file_, entry));
    return result;
  }
  for (const HostTensor& tensor : trunk_tensors_)
    result.push_back({tensor.name, "F32", tensor.shape, [&tensor](const auto& sink) {
                        sink(tensor.values.data(), tensor.values.size() * sizeof(float));
                      }});
  const std::int64_t k = matrix_.classes(), d = matrix_.features();
  result.push_back({weight_name_, "F32", {k, d}, [this, k, d](const auto& sink) {
                      for (std::int64_t c = 0; c < k; ++c)
                        sink(matrix_.row(c), static_cast<std::size_t>(d) * sizeof(float));
                    }});
  if (matrix_.has_bias())
    result.push_back({bias_name_, "F32", {k}, [this, k](const auto& sink) {
                        sink(matrix_.bias_data(), static_cast<std::size_t>(k) * sizeof(float));
                      }});
  return result;
}

}  // namespace onelogit
