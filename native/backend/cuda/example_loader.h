// Examples and indices from host memory into a batch on the GPU: backend/backend.h says what load_examples and
// load_indices do. Rows are gathered into pinned memory, copied as they are, and converted on the GPU: bytes are a
// quarter of what float32 would be on the way. The source is not read after a call has returned; the host waits for the
// GPU only when it is two pieces ahead.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>

#include "backend/backend.h"
#include "backend/cuda/device_buffer.h"
#include "backend/cuda/pinned_staging.h"

namespace onelogit::cuda {

// For one stream; any thread.
class ExampleLoader {
 public:
  // Large batches go in pieces of about as many bytes: the next one is gathered while the last one is copied, and
  // little memory is pinned.
  explicit ExampleLoader(std::int64_t piece_bytes = std::int64_t{4} << 20) : piece_bytes_(piece_bytes) {}
  void load_examples(cudaStream_t stream, const void* source, ExampleType type, const std::int64_t* indices,
                     std::int64_t m, std::int64_t features, const PreprocessingView& preprocessing, float* out);
  void load_indices(cudaStream_t stream, const std::int32_t* source, const std::int64_t* rows, std::int64_t m,
                    std::int64_t length, std::int64_t vocabulary, ExampleNumbers numbers, std::int32_t* out);

 private:
  std::int64_t rows_of_piece(std::int64_t m, std::int64_t row_bytes) const;
  void copy(cudaStream_t stream, void* to, const unsigned char* from, std::size_t bytes);
  unsigned char* raw(std::size_t bytes);

  std::int64_t piece_bytes_;
  std::mutex mutex_;
  PinnedStaging staging_;
  DeviceBuffer<unsigned char> raw_;  // a piece as it was copied; the stream's order keeps pieces apart
};

}  // namespace onelogit::cuda
