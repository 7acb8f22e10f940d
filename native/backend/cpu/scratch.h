// Memory that a thread keeps between operations.
#pragma once

#include <cstdint>

namespace onelogit {

enum class Scratch { windows, filters, gradient };

// The calling thread's memory of at least `size` float32 for one use, 64-byte aligned; what it held is lost.
float* scratch(Scratch use, std::int64_t size);

}  // namespace onelogit
