// Memory for what came of the parts of a tall matrix's columns, until a later launch on the same stream has merged it
// (column_parts.h).
#pragma once

#include <cstddef>
#include <mutex>

#include "backend/cuda/device_buffer.h"

namespace onelogit::cuda {

struct ColumnScratch {
  static constexpr std::size_t bytes = std::size_t{1} << 20;

  std::mutex mutex;  // held until what uses the memory is queued
  DeviceBuffer<std::byte> memory{bytes, "sums of parts of columns"};
};

}  // namespace onelogit::cuda
