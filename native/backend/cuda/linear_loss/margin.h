// max-margin and batch-max-margin once every row's largest false logit is known.
#pragma once

#include "backend/cuda/linear_loss/block.h"

namespace onelogit::cuda {

// The entries of the gradient: two of each row, two of the batch (2m + 2); those of hinges at 0 have coefficient 0.
struct MarginEntries {
  std::int32_t* row;
  std::int32_t* class_id;
  float* coefficient;
};

// *value, the entries, and *undefined: NaN if a logit made a hinge NaN (the whole gradient is then), else 0.
void finish_margins(cudaStream_t stream, const float* true_logit, const std::int32_t* labels, const float* false_logit,
                    const std::int64_t* false_class, std::int64_t m, double margin, bool batch, double scale,
                    double* value, const MarginEntries& entries, float* undefined);

}  // namespace onelogit::cuda
