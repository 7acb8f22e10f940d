// A model up to the input of its last dense layer, ready to answer (model/predictor.h): no memory but what it needs.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layer/layer.h"
#include "model/input.h"
#include "model/model.h"
#include "model/predictor.h"
#include "tensor/buffer.h"

namespace onelogit {

// Immutable once made, so shared by any number of threads; each brings a Scratch.
class Trunk {
 public:
  // `fill` puts the values into one tensor (memory of `backend`); called once for each tensor of the layers before the
  // last dense one, in their order.
  using Fill = std::function<void(const NamedTensor& tensor)>;
  Trunk(const ModelSpec& spec, const Preprocessing& preprocessing, Backend& backend, const Fill& fill);

  std::int64_t input_size() const { return input_size_; }
  // Whether examples are rows of an embedding, int32.
  bool takes_integers() const { return input_.integers(); }
  std::int64_t feature_size() const { return feature_size_; }
  // Whether the features of a float32 example are the example itself.
  bool is_identity() const { return identity_; }
  // "[28, 28], dense [500], relu [500]": the input, and what computes with the shape that it makes. Trunks of the same
  // text need the same buffers.
  const std::string& architecture() const { return architecture_; }
  // Rows of a chunk of `features`.
  std::int64_t rows_at_once() const { return rows_at_once_; }

  // Whether features are made in host memory.
  bool on_cpu() const { return backend_.name() == "cpu"; }

  // The buffers of a pass: one user at a time. Memory grows to the largest batch seen and stays.
  class Scratch {
   private:
    friend class Trunk;
    Buffer memory, row, products;
    std::int64_t rows = 0;
  };

  // examples m×input (host memory) → features m×feature_size (host memory), in chunks. False when `cancelled`, which
  // may be null. `number` is what messages call the first example.
  bool features(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch, float* out,
                const std::atomic<bool>* cancelled = nullptr, std::int64_t number = 0) const;
  // out_i = features of example i · row + bias, on the device: features stay there. row feature_size() and out m are
  // host memory. Else as `features`.
  bool products(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch, const float* row, float bias,
                float* out, const std::atomic<bool>* cancelled) const;

 private:
  template <class Body>
  bool for_chunks(const void* examples, ExampleType type, std::int64_t m, Scratch& scratch,
                  const std::atomic<bool>* cancelled, std::int64_t number, const Body& body) const;

  std::shared_ptr<Backend> owner_;  // of the backend, if it has one
  Backend& backend_;
  Preprocessing preprocessing_;
  InputKind input_;
  std::int64_t input_size_ = 0, feature_size_ = 0, rows_at_once_ = 1;
  Predictor predictor_;
  bool identity_ = false;
  std::string architecture_;
  std::vector<Buffer> tensors_;  // those that the predictor reads
};

}  // namespace onelogit
