// Examples, indices and labels from host memory into a batch on the GPU: backend/backend.h says what load_examples,
// load_indices and load_labels do. Rows are gathered into pinned memory, copied as they are while what was queued
// before still runs (batch_copies.h), and converted on the GPU: bytes are a quarter of what float32 would be on the
// way. The source is not read after a call has returned; the host waits for the GPU only when it is two pieces ahead.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>

#include "backend/backend.h"
#include "backend/cuda/batch_copies.h"

namespace onelogit::cuda {

// For one stream; any thread.
class ExampleLoader {
 public:
  // Large batches are gathered in pieces of about as many bytes: the next one while the last one is copied, and little
  // memory is pinned.
  explicit ExampleLoader(std::int64_t piece_bytes = std::int64_t{4} << 20) : piece_bytes_(piece_bytes) {}
  void load_examples(cudaStream_t stream, const void* source, ExampleType type, const std::int64_t* indices,
                     std::int64_t m, std::int64_t features, const PreprocessingView& preprocessing, float* out);
  void load_indices(cudaStream_t stream, const std::int32_t* source, const std::int64_t* rows, std::int64_t m,
                    std::int64_t length, std::int64_t vocabulary, ExampleNumbers numbers, std::int32_t* out);
  void load_labels(cudaStream_t stream, const std::int32_t* labels, std::int64_t m, std::int32_t* out);

 private:
  std::int64_t rows_of_piece(std::int64_t m, std::int64_t row_bytes) const;

  std::int64_t piece_bytes_;
  std::mutex mutex_;
  BatchCopies inputs_, labels_;
};

}  // namespace onelogit::cuda
