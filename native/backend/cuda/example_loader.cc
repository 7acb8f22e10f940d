#include "backend/cuda/example_loader.h"

#include <algorithm>
#include <cstring>

#include "backend/cpu/grain.h"
#include "backend/cpu/threads.h"
#include "backend/cuda/examples.h"
#include "backend/index_range.h"

namespace onelogit::cuda {
namespace {

// Rows first … first + count − 1 of a batch, one after another.
void gather(const unsigned char* source, const std::int64_t* indices, std::int64_t first, std::int64_t count,
            std::int64_t row_bytes, unsigned char* to) {
  parallel_for(count, row_grain(row_bytes / 4), 1, [&](std::int64_t begin, std::int64_t end) {
    if (indices == nullptr) {
      std::memcpy(to + begin * row_bytes, source + (first + begin) * row_bytes,
                  static_cast<std::size_t>((end - begin) * row_bytes));
      return;
    }
    for (std::int64_t i = begin; i < end; ++i)
      std::memcpy(to + i * row_bytes, source + indices[first + i] * row_bytes, static_cast<std::size_t>(row_bytes));
  });
}

void copy_batch(cudaStream_t stream, void* to, const unsigned char* batch, std::int64_t bytes) {
  check(cudaMemcpyAsync(to, batch, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, stream),
        "copying a batch");
}

void convert(cudaStream_t stream, ExampleType type, const unsigned char* rows, const Conversion& conversion, float* out,
             std::int64_t m, std::int64_t features) {
  switch (type) {
    case ExampleType::uint8:
      return convert_examples(stream, rows, conversion, out, m, features);
    case ExampleType::float32:
      return convert_examples(stream, reinterpret_cast<const float*>(rows), conversion, out, m, features);
    case ExampleType::int32:
      return convert_examples(stream, reinterpret_cast<const std::int32_t*>(rows), conversion, out, m, features);
  }
}

}  // namespace

std::int64_t ExampleLoader::rows_of_piece(std::int64_t m, std::int64_t row_bytes) const {
  return std::clamp<std::int64_t>(piece_bytes_ / row_bytes, 1, m);
}

void ExampleLoader::load_examples(cudaStream_t stream, const void* source, ExampleType type,
                                  const std::int64_t* indices, std::int64_t m, std::int64_t features,
                                  const PreprocessingView& preprocessing, float* out) {
  if (m == 0 || features == 0) return;
  const std::int64_t row_bytes = features * static_cast<std::int64_t>(element_bytes(type));
  const std::int64_t rows = rows_of_piece(m, row_bytes);
  const std::int64_t channels = preprocessing.mean == nullptr ? 0 : preprocessing.channels;
  const bool plain = type == ExampleType::float32 && channels == 0 && preprocessing.scale == 1.0f;
  // A batch is mean and inverse of the channels, then, where packs can begin, the rows.
  const std::int64_t table_bytes = (2 * channels * static_cast<std::int64_t>(sizeof(float)) + 15) / 16 * 16;
  const std::lock_guard<std::mutex> lock(mutex_);
  unsigned char* const batch = inputs_.begin(static_cast<std::size_t>(table_bytes + m * row_bytes));
  for (std::int64_t first = 0; first < m; first += rows) {
    const std::int64_t count = std::min(rows, m - first), before = first == 0 ? table_bytes : 0;
    const auto bytes = static_cast<std::size_t>(before + count * row_bytes);
    unsigned char* const piece = inputs_.take(bytes);
    auto* const table = reinterpret_cast<float*>(piece);
    for (std::int64_t c = 0; first == 0 && c < channels; ++c) {
      table[c] = preprocessing.mean[c];
      table[channels + c] = 1.0f / preprocessing.standard_deviation[c];
    }
    gather(static_cast<const unsigned char*>(source), indices, first, count, row_bytes, piece + before);
    inputs_.copy(batch + (table_bytes - before) + first * row_bytes, piece, bytes);
  }
  inputs_.begin_reading(stream);
  if (plain) {
    copy_batch(stream, out, batch, m * row_bytes);
  } else {
    const auto* const mean = reinterpret_cast<const float*>(batch);
    convert(stream, type, batch + table_bytes, {preprocessing.scale, channels, mean, mean + channels}, out, m,
            features);
  }
  inputs_.end_reading(stream);
}

void ExampleLoader::load_indices(cudaStream_t stream, const std::int32_t* source, const std::int64_t* rows,
                                 std::int64_t m, std::int64_t length, std::int64_t vocabulary, ExampleNumbers numbers,
                                 std::int32_t* out) {
  if (m == 0 || length == 0) return;
  const std::int64_t row_bytes = length * static_cast<std::int64_t>(sizeof(std::int32_t));
  const std::int64_t rows_a_piece = rows_of_piece(m, row_bytes);
  const std::lock_guard<std::mutex> lock(mutex_);
  unsigned char* const batch = inputs_.begin(static_cast<std::size_t>(m * row_bytes));
  for (std::int64_t first = 0; first < m; first += rows_a_piece) {
    const std::int64_t count = std::min(rows_a_piece, m - first);
    const auto bytes = static_cast<std::size_t>(count * row_bytes);
    unsigned char* const piece = inputs_.take(bytes);
    auto* to = reinterpret_cast<std::int32_t*>(piece);
    for (std::int64_t i = first; i < first + count; ++i) {
      const std::int32_t* const row = source + (rows == nullptr ? i : rows[i]) * length;
      for (std::int64_t n = 0; n < length; ++n) {
        // Read once: what is checked is what is used, whoever else writes there.
        const std::int32_t id = row[n];
        if (id < 0 || id >= vocabulary) throw_index_range(id, vocabulary, numbers.of(i));
        *to++ = id;
      }
    }
    inputs_.copy(batch + first * row_bytes, piece, bytes);
  }
  inputs_.begin_reading(stream);
  copy_batch(stream, out, batch, m * row_bytes);
  inputs_.end_reading(stream);
}

void ExampleLoader::load_labels(cudaStream_t stream, const std::int32_t* labels, std::int64_t m, std::int32_t* out) {
  if (m == 0) return;
  const auto bytes = static_cast<std::size_t>(m) * sizeof(std::int32_t);
  const std::lock_guard<std::mutex> lock(mutex_);
  unsigned char* const batch = labels_.begin(bytes);
  unsigned char* const piece = labels_.take(bytes);
  std::memcpy(piece, labels, bytes);
  labels_.copy(batch, piece, bytes);
  labels_.begin_reading(stream);
  copy_batch(stream, out, batch, static_cast<std::int64_t>(bytes));
  labels_.end_reading(stream);
}

}  // namespace onelogit::cuda
