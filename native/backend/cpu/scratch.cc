#include "backend/cpu/scratch.h"

#include "tensor/buffer.h"

namespace onelogit {

float* scratch(Scratch use, std::int64_t size) {
  thread_local Buffer memory[3];
  Buffer& wanted = memory[static_cast<int>(use)];
  const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(float);
  if (wanted.bytes() < bytes) {
    wanted = Buffer();  // freed first, so that growing never holds both
    wanted = Buffer(cpu_backend(), bytes);
  }
  return wanted.as<float>();
}

}  // namespace onelogit
