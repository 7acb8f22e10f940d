// The implementations behind make_cpu_loss, by the kernels that they share.
#pragma once

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "loss/loss.h"

namespace onelogit {

// cross-entropy, self-normalization: a normaliser per row
std::unique_ptr<LossKernel> make_cpu_softmax_loss(const LossSpec& spec, std::int64_t classes,
                                                  std::int64_t max_examples);
// batch-cross-entropy: one normaliser
std::unique_ptr<LossKernel> make_cpu_batch_softmax_loss(std::int64_t classes, std::int64_t max_examples);
// max-margin, batch-max-margin
std::unique_ptr<LossKernel> make_cpu_margin_loss(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);
// binary-cross-entropy, nce with the exact expectation
std::unique_ptr<LossKernel> make_cpu_logistic_loss(const LossSpec& spec, std::int64_t classes,
                                                   std::int64_t max_examples);
// nce with numSampled draws
std::unique_ptr<LossKernel> make_cpu_sampled_nce(const LossSpec& spec, std::int64_t classes, std::int64_t max_examples);

}  // namespace onelogit
