// How many rows have their largest logit at the label: backend/backend.h says what exactly. All pointers are device
// memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

void count_correct(cudaStream_t stream, const float* logits, const std::int32_t* labels, std::int64_t m, std::int64_t k,
                   std::int64_t* count);

}  // namespace onelogit::cuda
