#include "backend/cuda/linear_loss/margin.h"

#include "backend/cuda/launch.h"
#include "backend/cuda/linear_loss/arg_reduce.h"
#include "backend/cuda/reduce.h"
#include "loss/batch_max_margin.h"

namespace onelogit::cuda {
namespace {

// One block of threads: O(m) work after O(m·k·d).
__global__ void finish_margins_kernel(const float* true_logit, const std::int32_t* labels, const float* false_logit,
                                      const std::int64_t* false_class, std::int64_t m, double margin, bool batch,
                                      double scale, double* value, MarginEntries entries, float* undefined) {
  const auto unit = static_cast<float>(scale);
  const auto set = [&](std::int64_t e, std::int64_t row, std::int64_t class_id, float coefficient) {
    entries.row[e] = static_cast<std::int32_t>(row);
    entries.class_id[e] = static_cast<std::int32_t>(class_id < 0 ? 0 : class_id);
    entries.coefficient[e] = coefficient;
  };
  double total = 0;
  ArgMax smallest_true, largest_false;  // of the batch; the smallest as the largest of −z
  for (std::int64_t i = threadIdx.x; i < m; i += blockDim.x) {
    const double row_hinge = max_margin_hinge(margin, true_logit[i], false_logit[i]);
    total += row_hinge;
    const bool active = row_hinge > 0;
    set(2 * i, i, labels[i], active ? -unit : 0.0f);
    set(2 * i + 1, i, false_class[i], active ? unit : 0.0f);
    smallest_true = merge(smallest_true, {-true_logit[i], i});
    // Rows, not i·k + j: within a row the class is the lowest already.
    if (false_class[i] >= 0 || false_logit[i] != false_logit[i])
      largest_false = merge(largest_false, {false_logit[i], i});
  }
  total = block_sum(total);
  smallest_true = block_arg_max(smallest_true);
  largest_false = block_arg_max(largest_false);
  if (threadIdx.x != 0) return;
  const bool defined = total == total;
  double batch_hinge = 0;
  if (batch) batch_hinge = max_margin_hinge(margin, -smallest_true.value, largest_false.value);
  *value = (total + batch_hinge) * scale;
  *undefined = defined ? 0.0f : NAN;
  const bool active = batch_hinge > 0;
  const std::int64_t high = active ? largest_false.index : 0, low = active ? smallest_true.index : 0;
  set(2 * m, low, labels[low], active ? -unit : 0.0f);
  set(2 * m + 1, high, false_class[high], active ? unit : 0.0f);
}

}  // namespace

void finish_margins(cudaStream_t stream, const float* true_logit, const std::int32_t* labels, const float* false_logit,
                    const std::int64_t* false_class, std::int64_t m, double margin, bool batch, double scale,
                    double* value, const MarginEntries& entries, float* undefined) {
  launch("margin loss", finish_margins_kernel, 1, block_threads, 0, stream, true_logit, labels, false_logit,
         false_class, m, margin, batch, scale, value, entries, undefined);
}

}  // namespace onelogit::cuda
