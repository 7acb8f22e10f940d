// What a model's first layer reads, and how examples get there.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "model/model.h"

namespace onelogit {

// Rows of a table, where the first layer is an embedding; numbers otherwise.
struct InputKind {
  std::int64_t vocabulary = 0;  // 0: numbers
  bool integers() const { return vocabulary > 0; }
};
InputKind input_kind(const ModelSpec& spec);

// `out` (m×features, device) = the rows of `source` (host memory, n×features of `type`) named by `indices` (host, m;
// null: rows 0 … m−1): preprocessed numbers, or integers as they are. Throws ERR_ONELOGIT_ARGUMENT for anything but
// int32 before an embedding, ERR_ONELOGIT_INDEX_RANGE for an integer that is no row of it, in the example that
// `numbers` names.
void load_input(Backend& backend, InputKind kind, const void* source, ExampleType type, const std::int64_t* indices,
                std::int64_t m, std::int64_t features, const PreprocessingView& preprocessing, ExampleNumbers numbers,
                float* out);

}  // namespace onelogit
