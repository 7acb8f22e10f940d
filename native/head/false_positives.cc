#include "head/false_positives.h"

#include <algorithm>

#include "backend/cpu/threads.h"
#include "error.h"

namespace onelogit {
namespace {

constexpr std::int64_t example_block = 256, class_block = 1024;

// How many of `descending` are above x.
std::int64_t count_above(std::span<const float> descending, float x) {
  return std::partition_point(descending.begin(), descending.end(), [x](float t) { return t > x; }) -
         descending.begin();
}

// Counts at each place → counts at that place or before.
void accumulate(std::int64_t* counts, std::int64_t n) {
  for (std::int64_t i = 1; i < n; ++i) counts[i] += counts[i - 1];
}

}  // namespace

bool count_false_positives(const ClassMatrix& matrix, const float* features, std::span<const std::int32_t> labels,
                           const AlsoCorrect& also_correct, const ClassThresholds& thresholds,
                           std::span<const float> pooled, const std::atomic<bool>* cancelled,
                           std::atomic<double>* passes_done, FalsePositives& result) {
  const auto n = static_cast<std::int64_t>(labels.size());
  const std::int64_t d = matrix.features(), k = matrix.classes();
  const int slices = thread_count();
  result.own.assign(thresholds.values.size(), 0);
  // A histogram for each slice, so that no two threads count in the same place.
  std::vector<std::vector<std::int64_t>> histograms(static_cast<std::size_t>(slices),
                                                    std::vector<std::int64_t>(pooled.size() + 1, 0));
  std::vector<float> logits(static_cast<std::size_t>(example_block * class_block));
  std::vector<float> rows(static_cast<std::size_t>(std::min(class_block, k) * d));  // of the classes at hand, float32
  std::atomic<bool> not_finite{false};
  const double passes_before = passes_done == nullptr ? 0 : passes_done->load();
  const auto tell = [&](double share) {
    if (passes_done != nullptr) passes_done->store(passes_before + share, std::memory_order_relaxed);
  };

  for (std::int64_t first_class = 0; first_class < k; first_class += class_block) {
    const std::int64_t block = std::min(class_block, k - first_class);
    if (pooled.empty() && thresholds.first[first_class] == thresholds.first[first_class + block]) continue;
    matrix.read_rows(first_class, block, rows.data());
    for (std::int64_t first_example = 0; first_example < n; first_example += example_block) {
      if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) return false;
      const std::int64_t m = std::min(example_block, n - first_example);
      tell((static_cast<double>(first_class) +
            static_cast<double>(block) * static_cast<double>(first_example) / static_cast<double>(n)) /
           static_cast<double>(k));
      cpu_backend().gemm(Transpose::no, Transpose::yes, m, block, d, 1.0f, features + first_example * d, d, rows.data(),
                         d, 0.0f, logits.data(), block);
      parallel_slices(slices, [&](int slice) {
        const std::int64_t begin = block * slice / slices, end = block * (slice + 1) / slices;
        std::vector<std::int64_t>& histogram = histograms[static_cast<std::size_t>(slice)];
        bool nan = false;
        for (std::int64_t i = 0; i < m; ++i) {
          const std::int64_t label = labels[static_cast<std::size_t>(first_example + i)];
          const std::span<const std::int32_t> excluded = also_correct.of(first_example + i);
          auto next_excluded = std::lower_bound(excluded.begin(), excluded.end(), first_class + begin);
          for (std::int64_t j = begin; j < end; ++j) {
            const std::int64_t c = first_class + j;
            if (c == label) continue;
            const float z = logits[static_cast<std::size_t>(i * block + j)] + matrix.bias(c);
            nan |= !(z == z);
            if (next_excluded != excluded.end() && *next_excluded == c) {
              ++next_excluded;
              continue;
            }
            const std::int64_t from = thresholds.first[c], to = thresholds.first[c + 1];
            // Most false logits are below every threshold.
            if (from < to && z >= thresholds.values[to - 1])
              ++result.own[from + count_above(thresholds.values.subspan(from, to - from), z)];
            if (!pooled.empty() && z >= pooled.back()) ++histogram[count_above(pooled, z)];
          }
        }
        if (nan) not_finite.store(true, std::memory_order_relaxed);
      });
    }
  }
  tell(1);
  if (not_finite.load())
    throw Error(ErrorKind::operation, "ERR_ONELOGIT_NOT_FINITE",
                "Expected finite logits for calibrate but received NaN");
  for (std::int64_t c = 0; c < k; ++c)
    accumulate(result.own.data() + thresholds.first[c], thresholds.first[c + 1] - thresholds.first[c]);
  result.pooled.assign(pooled.size(), 0);
  for (const auto& histogram : histograms)
    for (std::size_t i = 0; i < pooled.size(); ++i) result.pooled[i] += histogram[i];
  accumulate(result.pooled.data(), static_cast<std::int64_t>(pooled.size()));
  return true;
}

}  // namespace onelogit
