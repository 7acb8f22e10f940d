#include "train/validation.h"

#include <algorithm>
#include <cmath>

#include "error.h"
#include "model/input.h"
#include "train/options_check.h"

namespace onelogit {
namespace {

constexpr std::int64_t logits_at_once = std::int64_t{1} << 24;  // 64 MiB

}  // namespace

std::int64_t not_finite_example(const Batch& batch, std::int64_t features) {
  if (batch.type != ExampleType::float32) return -1;
  for (std::int64_t i = 0; i < batch.count; ++i) {
    const auto* x = static_cast<const float*>(batch.example(i, features));
    if (!std::all_of(x, x + features, [](float value) { return std::isfinite(value); })) return batch.indices[i];
  }
  return -1;
}

std::int64_t Validation::rows(const Model& model, const TrainOptions& options, const LossSpec& loss) {
  if (loss.kind == LossKind::batch_cross_entropy || loss.kind == LossKind::batch_max_margin) return options.batch_size;
  if (choose_head_memory(model, options) != HeadMemory::logits) return max_inference_rows;
  return std::clamp<std::int64_t>(logits_at_once / model.classes(), 1, max_inference_rows);
}

Validation::Validation(Model& model, const TrainOptions& options, const LossSpec& loss, LastLayer& last_layer,
                       ReaderThread& reader)
    : model_(model),
      source_(*options.validation),
      indices_(options.validation_indices),
      last_layer_(last_layer),
      reader_(reader),
      batch_size_(options.batch_size),
      rows_(rows(model, options, loss)),
      length_(used_length(source_, indices_)),
      sum_(loss.reduction == Reduction::sum),
      labels_(model.backend(), static_cast<std::size_t>(rows_) * sizeof(std::int32_t)),
      value_(model.backend(), sizeof(double)),
      count_(model.backend(), sizeof(std::int64_t)) {}

std::optional<ValidationResult> Validation::run(const std::atomic<bool>* cancelled) {
  Backend& backend = model_.backend();
  const std::int64_t passes = (length_ + rows_ - 1) / rows_;
  BatchSequence batches(source_, reader_, model_.classes(), rows_, 0, passes, in_order(indices_, length_, rows_));
  model_.tensors_changed();
  double loss = 0;
  std::int64_t correct = 0;
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return std::nullopt;
    const Batch* batch = batches.next();
    if (batch == nullptr) return std::nullopt;
    const std::int64_t m = batch->count;
    float* input = model_.inference_input(m);
    load_input(backend, input_kind(model_.spec()), batch->inputs, batch->type, batch->rows, m, source_.features(),
               model_.preprocessing->view(), {batch->indices}, input);
    backend.load_labels(batch->labels, m, labels_.as<std::int32_t>());
    // Draws that no training step uses.
    const std::uint64_t draw = std::uint64_t{1} << 63 | static_cast<std::uint64_t>(pass);
    last_layer_.evaluate(labels_.as<std::int32_t>(), m, draw, value_.as<double>(), count_.as<std::int64_t>());
    double value = 0;
    std::int64_t count = 0;
    backend.download(&value, value_.data(), sizeof value);
    backend.download(&count, count_.data(), sizeof count);
    if (!std::isfinite(value))
      if (const std::int64_t bad = not_finite_example(*batch, source_.features()); bad >= 0)
        throw Error(
            ErrorKind::range, "ERR_ONELOGIT_NOT_FINITE",
            "Expected finite inputs for validation but received NaN or infinity in example " + std::to_string(bad));
    loss += sum_ ? value : value * static_cast<double>(m);
    correct += count;
  }
  const auto n = static_cast<double>(length_);
  return ValidationResult{sum_ ? loss / n * static_cast<double>(batch_size_) : loss / n,
                          static_cast<double>(correct) / n};
}

}  // namespace onelogit
