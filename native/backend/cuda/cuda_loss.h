// The seven losses on the GPU: value and gradient fused.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "backend/backend.h"
#include "backend/cuda/step_values.h"
#include "loss/loss.h"

namespace onelogit::cuda {

// Makes a loss ready for `classes` classes and batches of up to `max_examples`, on `stream` and with its `step`, which
// must outlive it; its workspace is allocated here, a step allocates nothing and waits for nothing. `spec` has been
// checked with check_loss. The same numbers give the same bits in every run: partial results are merged in an order of
// sizes alone. Throws ERR_ONELOGIT_OUT_OF_MEMORY.
std::unique_ptr<LossKernel> make_cuda_loss(cudaStream_t stream, Step& step, const LossSpec& spec, std::int64_t classes,
                                           std::int64_t max_examples);

}  // namespace onelogit::cuda
