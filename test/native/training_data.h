// Sources of labelled clusters for tests of the trainer: in memory, and behind a reader that can be told to misbehave.
#pragma once

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "random_values.h"
#include "train/trainer.h"

namespace onelogit::test {

// An example of class c is a centre of its own plus noise.
struct MemorySource : ExampleSource {
  MemorySource(std::int64_t n, std::int64_t feature_count, std::int64_t class_count, std::uint32_t seed)
      : features_(feature_count), classes_(class_count), inputs(random_values(n * feature_count, seed, -0.6f, 0.6f)) {
    const auto centres = random_values(class_count * feature_count, 1);
    for (std::int64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<std::int32_t>((i * 7 + i / 3) % class_count));
      for (std::int64_t j = 0; j < feature_count; ++j)
        inputs[static_cast<std::size_t>(i * feature_count + j)] +=
            centres[static_cast<std::size_t>(labels.back() * feature_count + j)];
    }
  }
  std::int64_t length() const override { return static_cast<std::int64_t>(labels.size()); }
  std::int64_t features() const override { return features_; }
  std::int64_t classes() const override { return classes_; }
  InMemory in_memory() const override { return {inputs.data(), ExampleType::float32, labels.data()}; }
  // Only what is augmented is read although it is in memory.
  bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) override {
    if (!readable) throw std::logic_error("read of memory");
    batch.type = ExampleType::float32;
    batch.inputs.resize(static_cast<std::size_t>(count * features_) * sizeof(float));
    batch.labels.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
      std::memcpy(batch.inputs.data() + static_cast<std::size_t>(i * features_) * sizeof(float),
                  inputs.data() + indices[i] * features_, static_cast<std::size_t>(features_) * sizeof(float));
      batch.labels[static_cast<std::size_t>(i)] = labels[static_cast<std::size_t>(indices[i])];
    }
    return true;
  }

  bool readable = false;
  std::int64_t features_, classes_;
  std::vector<float> inputs;
  std::vector<std::int32_t> labels;
};

// Three integers of thirty each, five classes.
struct IntegerSource final : ExampleSource {
  std::vector<std::int32_t> inputs, labels;
  IntegerSource() {
    for (std::int32_t i = 0; i < 200; ++i) {
      labels.push_back(i % 5);
      for (std::int32_t j = 0; j < 3; ++j) inputs.push_back((i % 5 * 6 + i * j) % 30);
    }
  }
  std::int64_t length() const override { return 200; }
  std::int64_t features() const override { return 3; }
  std::int64_t classes() const override { return 5; }
  InMemory in_memory() const override { return {inputs.data(), ExampleType::int32, labels.data()}; }
  bool read(const std::int64_t*, std::int64_t, HostBatch&) override { return false; }
};

enum class Fault { none, throws, cancelled, bad_label, few_inputs, few_labels };

// The same examples behind a reader; `fault` happens at read number `at`. Counts reads that overlap: there must be
// none.
struct StreamSource final : MemorySource {
  StreamSource(std::int64_t n, std::int64_t feature_count, std::int64_t class_count, std::uint32_t seed)
      : MemorySource(n, feature_count, class_count, seed) {
    readable = true;
  }
  InMemory in_memory() const override { return {}; }
  bool read(const std::int64_t* indices, std::int64_t count, HostBatch& batch) override {
    if (inside.exchange(true)) ++overlaps;
    std::this_thread::sleep_for(delay);
    MemorySource::read(indices, count, batch);
    inside = false;
    if (reads++ != at) return true;
    if (fault == Fault::throws) throw std::runtime_error("the disk is gone");
    if (fault == Fault::bad_label) batch.labels.back() = static_cast<std::int32_t>(classes_);
    if (fault == Fault::few_inputs) batch.inputs.resize(batch.inputs.size() - 4);
    if (fault == Fault::few_labels) batch.labels.pop_back();
    return fault != Fault::cancelled;
  }

  Fault fault = Fault::none;
  std::int64_t at = -1;
  std::chrono::microseconds delay{0};
  std::atomic<std::int64_t> reads{0}, overlaps{0};
  std::atomic<bool> inside{false};
};

inline LayerSpec layer(const char* type, std::int64_t units = 0) {
  LayerSpec spec;
  spec.type = type;
  spec.units = units;
  return spec;
}

// Two hidden layers as in the paper; with dropout, so that its draws are part of every run.
inline ModelSpec small_network(std::int64_t features, std::int64_t classes) {
  LayerSpec dropout = layer("dropout");
  dropout.rate = 0.1f;
  return {{features},
          {layer("dense", 16), layer("batchNorm"), layer("relu"), dropout, layer("dense", 12), layer("batchNorm"),
           layer("relu"), layer("dense", classes)},
          3};
}

inline TrainOptions small_options(std::shared_ptr<ExampleSource> source,
                                  LossKind loss = LossKind::batch_cross_entropy) {
  TrainOptions options;
  options.loss.kind = loss;
  options.optimizer.learning_rate = 0.05;
  options.optimizer.momentum = 0.9;
  options.steps = 200;
  options.batch_size = 32;
  options.seed = 5;
  options.training = std::move(source);
  return options;
}

inline constexpr LossKind all_losses[] = {
    LossKind::cross_entropy,        LossKind::max_margin,          LossKind::self_normalization, LossKind::nce,
    LossKind::binary_cross_entropy, LossKind::batch_cross_entropy, LossKind::batch_max_margin};

// Every tensor's values, one after another.
inline std::vector<float> tensors_of(const Model& model) {
  std::vector<float> all;
  for (const NamedTensor& tensor : model.tensors()) {
    std::vector<float> values(static_cast<std::size_t>(shape_size(tensor.shape)));
    download_float32(model.backend(), tensor, 0, shape_size(tensor.shape), values.data());
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace onelogit::test
