// What a classifier answers from: one generation of weights.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "format/safetensors.h"
#include "head/class_matrix.h"
#include "head/trunk.h"
#include "model/model.h"

namespace onelogit {

// How a model file has its class matrix stored; nothing but its header is read. Throws ERR_ONELOGIT_FORMAT unless it
// has the tensors of these layers and no others.
ClassStorage check_classifier_file(const SafetensorsFile& file, const ModelSpec& spec);

// Immutable, and shared by whoever uses it: scorers of several threads, jobs that run.
class ClassifierWeights {
 public:
  // How the class matrix is kept.
  struct Keeping {
    std::optional<ClassStorage> storage{};  // empty: as the file has it, float32 for its other floating-point types
    bool memory_map = false;                // in the file: only as the file has it
    bool prefault = false;                  // of a mapped file: read it all now
  };
  // Throws ERR_ONELOGIT_FORMAT unless the file has the tensors of these layers; ERR_ONELOGIT_STORAGE for a mapped file
  // of another storage. The file stays open: it is what `tensors` copies.
  static std::shared_ptr<const ClassifierWeights> load(std::shared_ptr<const SafetensorsFile> file,
                                                       const ModelSpec& spec, const Preprocessing& preprocessing,
                                                       Backend& backend, const Keeping& keeping);
  // A bare head from two tensors, k×d and k (null: no bias), of whatever floating-point type. Throws
  // ERR_ONELOGIT_FORMAT.
  static std::shared_ptr<const ClassifierWeights> head(const SafetensorsFile& weight_file, const std::string& weight,
                                                       const SafetensorsFile* bias_file, const std::string& bias,
                                                       ClassStorage storage = ClassStorage::float32);
  // A snapshot on `backend`: what happens to the model afterwards changes nothing here. Storage empty: the model's.
  static std::shared_ptr<const ClassifierWeights> snapshot(const Model& model, Backend& backend,
                                                           std::optional<ClassStorage> storage);

  const Trunk& trunk() const { return trunk_; }
  const ClassMatrix& matrix() const { return matrix_; }
  bool has_file() const { return file_ != nullptr; }

  // What to write into a file that a model or a classifier is to be loaded from: every tensor of the file this came
  // from except thresholds, or those of the model; the class matrix as it is kept here. The result refers to this
  // object.
  std::vector<TensorToWrite> tensors() const;
  // The file's, which may say more than what the layers are (a checkpoint's does); empty without a file.
  std::map<std::string, std::string> metadata() const;

 private:
  // A copy of a tensor in host memory.
  struct HostTensor {
    std::string name;
    Shape shape;
    std::vector<float> values;
  };

  ClassifierWeights(Trunk trunk, ClassMatrix matrix) : trunk_(std::move(trunk)), matrix_(std::move(matrix)) {}

  Trunk trunk_;
  ClassMatrix matrix_;
  std::shared_ptr<const SafetensorsFile> file_;
  // Without a file: the trunk's tensors as they were before folding, and the names of the last layer's.
  std::vector<HostTensor> trunk_tensors_;
  std::string weight_name_, bias_name_;
};

}  // namespace onelogit
