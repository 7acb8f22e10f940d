// The noise distribution of sampled nce in device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend/cuda/device_buffer.h"
#include "loss/loss.h"
#include "loss/noise.h"

namespace onelogit::cuda {

class DeviceNoise {
 public:
  DeviceNoise(cudaStream_t stream, const LossSpec& spec, std::int64_t classes) {
    const NoiseSampler sampler(spec, classes);
    tables_ = sampler.tables();
    const auto k = static_cast<std::size_t>(classes);
    if (tables_.log_weights != nullptr) {
      log_weights_ = to_device(stream, tables_.log_weights, k, "the noise distribution");
      tables_.log_weights = log_weights_.data();
    }
    if (tables_.columns != nullptr) {
      columns_ = to_device(stream, tables_.columns, k, "the noise distribution");
      tables_.columns = columns_.data();
    }
  }

  // Device memory.
  const NoiseTables& tables() const { return tables_; }

 private:
  NoiseTables tables_;
  DeviceBuffer<float> log_weights_;
  DeviceBuffer<NoiseColumn> columns_;
};

}  // namespace onelogit::cuda
