#include "backend/cpu/kernels/examples.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/grain.h"
#include "backend/cpu/kernels/gemv.h"
#include "backend/cpu/kernels/reduction.h"
#include "backend/cpu/threads.h"

namespace onelogit {
namespace {

// Mean and inverse deviation repeated over whole groups of channels, so that rows are converted in long runs.
struct ChannelTable {
  const float* mean = nullptr;
  const float* inverse = nullptr;
  std::int64_t length = 0;  // a multiple of the channels
};

ChannelTable make_channel_table(const PreprocessingView& preprocessing, std::int64_t features) {
  const std::int64_t channels = preprocessing.channels;
  if (channels <= 0 || preprocessing.mean == nullptr) return {nullptr, nullptr, std::max<std::int64_t>(features, 1)};
  const std::int64_t length = channels * std::max<std::int64_t>(1, 1024 / channels);
  thread_local std::vector<float> memory;
  memory.resize(static_cast<std::size_t>(2 * length));
  float* const mean = memory.data();
  float* const inverse = mean + length;
  for (std::int64_t i = 0; i < length; ++i) {
    mean[i] = preprocessing.mean[i % channels];
    inverse[i] = 1.0f / preprocessing.standard_deviation[i % channels];
  }
  return {mean, inverse, length};
}

template <class T>
void load_rows(ConvertExamples<T> convert, const T* source, const std::int64_t* indices, std::int64_t m,
               std::int64_t features, float scale, const ChannelTable& table, float* out) {
  parallel_for(m, row_grain(features), 1, [&](std::int64_t begin, std::int64_t end) {
    const auto row_of = [&](std::int64_t i) { return source + (indices == nullptr ? i : indices[i]) * features; };
    const std::int64_t ahead = std::min<std::int64_t>(features, 1024 / static_cast<std::int64_t>(sizeof(T)));
    for (std::int64_t i = begin; i < end; ++i) {
      const T* const row = row_of(i);
      // The next row may be anywhere: fetch its beginning, from where the processor's own prefetching takes over.
      if (i + 1 < end)
        for (std::int64_t j = 0; j < ahead; j += 64 / static_cast<std::int64_t>(sizeof(T)))
          __builtin_prefetch(row_of(i + 1) + j);
      for (std::int64_t j = 0; j < features; j += table.length)
        convert(row + j, out + i * features + j, std::min(table.length, features - j), scale, table.mean,
                table.inverse);
    }
  });
}

}  // namespace

void CpuBackend::load_examples(const void* source, ExampleType type, const std::int64_t* indices, std::int64_t m,
                               std::int64_t features, const PreprocessingView& preprocessing, float* out) {
  const ChannelTable table = make_channel_table(preprocessing, features);
  const ExampleKernels& kernels = example_kernels();
  const float scale = preprocessing.scale;
  switch (type) {
    case ExampleType::uint8:
      return load_rows(kernels.from_uint8, static_cast<const std::uint8_t*>(source), indices, m, features, scale, table,
                       out);
    case ExampleType::float32:
      return load_rows(kernels.from_float32, static_cast<const float*>(source), indices, m, features, scale, table,
                       out);
    case ExampleType::int32:
      return load_rows(kernels.from_int32, static_cast<const std::int32_t*>(source), indices, m, features, scale, table,
                       out);
  }
}

void CpuBackend::load_labels(const std::int32_t* labels, std::int64_t m, std::int32_t* out) {
  std::copy_n(labels, m, out);
}

void CpuBackend::count_correct(const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                               std::int64_t* count) {
  std::atomic<std::int64_t> correct{0};
  parallel_for(m, row_grain(k), 1, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t part = 0;
    for (std::int64_t i = begin; i < end; ++i)
      if (labels[i] >= 0 && labels[i] < k) part += reduction_kernels().largest_is(logits + i * k, k, labels[i]) ? 1 : 0;
    correct.fetch_add(part, std::memory_order_relaxed);
  });
  *count = correct.load(std::memory_order_relaxed);
}

void CpuBackend::score_column(const float* hidden, const float* weight_row, float bias, float* out, std::int64_t m,
                              std::int64_t d) {
  // One row (the weights) times the transpose of the m hidden rows.
  parallel_for(m, row_grain(d), 16, [&](std::int64_t begin, std::int64_t end) {
    std::fill(out + begin, out + end, bias);
    const std::int64_t rows = end - begin;
    gemv_kernels().few_rows(
        {false, true, 1, rows, d, 1.0f, weight_row, d, hidden + begin * d, d, 1.0f, out + begin, rows});
  });
}

}  // namespace onelogit
