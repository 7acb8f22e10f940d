#include "model/input.h"

#include "error.h"

namespace onelogit {

InputKind input_kind(const ModelSpec& spec) {
  const bool embedding = !spec.layers.empty() && spec.layers.front().type == "embedding";
  return {embedding ? spec.layers.front().vocabulary : 0};
}

void load_input(Backend& backend, InputKind kind, const void* source, ExampleType type, const std::int64_t* indices,
                std::int64_t m, std::int64_t features, const PreprocessingView& preprocessing, ExampleNumbers numbers,
                float* out) {
  if (!kind.integers()) {
    backend.load_examples(source, type, indices, m, features, preprocessing, out);
    return;
  }
  if (type != ExampleType::int32)
    throw Error(ErrorKind::type, "ERR_ONELOGIT_ARGUMENT",
                std::string("Expected an Int32Array (rows of the embedding) for the inputs but received a ") +
                    (type == ExampleType::uint8 ? "Uint8Array" : "Float32Array"));
  backend.load_indices(static_cast<const std::int32_t*>(source), indices, m, features, kind.vocabulary, numbers,
                       reinterpret_cast<std::int32_t*>(out));
}

}  // namespace onelogit
