// Conversion of raw examples: what load_examples of backend/backend.h does where the rows are. All pointers are device
// memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace onelogit::cuda {

// x → (x · scale − mean_c) · inverse_c, c the position modulo `channels`.
struct Conversion {
  float scale = 1.0f;
  std::int64_t channels = 0;       // 0: no mean and inverse
  const float* mean = nullptr;     // channels
  const float* inverse = nullptr;  // channels: 1 / standard deviation
};

// out (m×features) from x (m×features of uint8, float32 or int32)
template <class T>
void convert_examples(cudaStream_t stream, const T* x, const Conversion& conversion, float* out, std::int64_t m,
                      std::int64_t features);

}  // namespace onelogit::cuda
