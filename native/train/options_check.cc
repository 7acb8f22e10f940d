#include "train/options_check.h"

#include <string>

#include "error.h"
#include "model/input.h"

namespace onelogit {
namespace {

[[noreturn]] void reject(const char* code, const std::string& expected, const std::string& what,
                         const std::string& received) {
  throw Error(ErrorKind::range, code, "Expected " + expected + " for " + what + " but received " + received);
}

void check_source(const ExampleSource& source, const std::vector<std::int64_t>& indices, const Model& model,
                  const std::string& what) {
  if (source.features() != model.input_size())
    reject("ERR_ONELOGIT_SHAPE",
           "examples of " + std::to_string(model.input_size()) + " numbers (the model's inputShape)", what,
           std::to_string(source.features()));
  if (source.classes() > model.classes())
    reject("ERR_ONELOGIT_CLASSES", "at most " + std::to_string(model.classes()) + " classes (the model's outputs)",
           what, std::to_string(source.classes()));
  if (used_length(source, indices) < 1) reject("ERR_ONELOGIT_LENGTH", "at least one example", what, "none");
  for (const std::int64_t index : indices)
    if (index < 0 || index >= source.length())
      reject("ERR_ONELOGIT_RANGE", "indices from 0 to " + std::to_string(source.length() - 1), what,
             std::to_string(index));
  // All at once, so that a bad label is an error now and not in an hour; a streamed source is checked batch by batch.
  const ExampleSource::InMemory memory = source.in_memory();
  if (memory.inputs == nullptr) return;
  check_labels(memory.labels, source.length(), model.classes());
  const InputKind kind = input_kind(model.spec());
  if (!kind.integers() || memory.type != ExampleType::int32) return;
  std::vector<std::int32_t> ids(static_cast<std::size_t>(source.features()));
  for (std::int64_t i = 0; i < source.length(); ++i)
    cpu_backend().load_indices(static_cast<const std::int32_t*>(memory.inputs), &i, 1, source.features(),
                               kind.vocabulary, {&i}, ids.data());
}

void check_augmentation(const AugmentationSpec& spec, const Model& model) {
  if (!spec.any()) return;
  if (input_kind(model.spec()).integers())
    reject("ERR_ONELOGIT_SHAPE", "a model of images", "augment", "one whose first layer is an embedding");
  const std::int64_t features = model.input_size();
  const std::string shape =
      std::to_string(spec.height) + " × " + std::to_string(spec.width) + " × " + std::to_string(spec.channels);
  // Divisions, so that no product can overflow.
  if (spec.height < 1 || spec.width < 1 || spec.channels < 1 || features / spec.height / spec.width != spec.channels ||
      features % spec.height != 0 || features / spec.height % spec.width != 0)
    reject("ERR_ONELOGIT_SHAPE", "height × width × channels of " + std::to_string(features) + " numbers", "augment",
           shape);
  if (spec.padding < 0 || spec.padding >= spec.height || spec.padding >= spec.width)
    reject("ERR_ONELOGIT_RANGE", "less padding than the sides of the images (" + shape + ")", "augment",
           std::to_string(spec.padding));
}

}  // namespace

std::int64_t used_length(const ExampleSource& source, const std::vector<std::int64_t>& indices) {
  return indices.empty() ? source.length() : static_cast<std::int64_t>(indices.size());
}

void check_options(const Model& model, const TrainOptions& options) {
  if (options.steps < 1)
    reject("ERR_ONELOGIT_RANGE", "an integer of at least 1", "steps", std::to_string(options.steps));
  if (options.batch_size < 1)
    reject("ERR_ONELOGIT_RANGE", "an integer of at least 1", "batchSize", std::to_string(options.batch_size));
  if (options.steps > (std::int64_t{1} << 62) / options.batch_size)
    reject("ERR_ONELOGIT_RANGE", "steps × batchSize below 2^62", "steps", std::to_string(options.steps));
  check_augmentation(options.augmentation, model);
  check_source(*options.training, options.training_indices, model, "the training data");
  if (options.validation) check_source(*options.validation, options.validation_indices, model, "the validation data");
}

}  // namespace onelogit
