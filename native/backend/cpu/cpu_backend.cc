#include "backend/cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "backend/cpu/cpu_loss.h"
#include "backend/cpu/threads.h"
#include "error.h"

namespace onelogit {
namespace {

constexpr std::size_t line = 64;
// Rows of a large matrix are read in any order: with pages of 2 MiB most of them need no walk through the page tables.
constexpr std::size_t huge_page = std::size_t{2} << 20, huge_from = 8 * huge_page;

// A wish: where the system does not grant it, nothing changes.
void ask_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__)
  ::madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}

// From this size on, memory is cleared and copied by the whole pool.
constexpr std::int64_t memory_grain = std::int64_t{1} << 20;

}  // namespace

void* CpuBackend::allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (bytes <= std::numeric_limits<std::size_t>::max() / 2) {
    const std::size_t alignment = bytes >= huge_from ? huge_page : line;
    // aligned_alloc wants a multiple of the alignment; at least one, so that every allocation has an address.
    const std::size_t rounded = (bytes + alignment - (bytes == 0 ? 0 : 1)) / alignment * alignment;
    memory = std::aligned_alloc(alignment, rounded);
    if (memory != nullptr && bytes >= huge_from) ask_for_huge_pages(memory, rounded);
  }
  if (memory == nullptr)
    throw Error(
        ErrorKind::operation, "ERR_ONELOGIT_OUT_OF_MEMORY",
        "Expected " + std::to_string(bytes) + " bytes of free memory for a tensor but received none from the system");
  zero(memory, bytes);
  return memory;
}

void CpuBackend::release(void* memory, std::size_t) noexcept { std::free(memory); }

void CpuBackend::upload(void* device, const void* host, std::size_t bytes) { copy(device, host, bytes); }
void CpuBackend::download(void* host, const void* device, std::size_t bytes) { copy(host, device, bytes); }

void CpuBackend::copy(void* to, const void* from, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), memory_grain, 64, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<std::size_t>(end - begin));
  });
}

void CpuBackend::zero(void* memory, std::size_t bytes) {
  parallel_for(static_cast<std::int64_t>(bytes), memory_grain, 64, [&](std::int64_t begin, std::int64_t end) {
    std::memset(static_cast<char*>(memory) + begin, 0, static_cast<std::size_t>(end - begin));
  });
}

std::unique_ptr<LossKernel> CpuBackend::make_loss(const LossSpec& spec, std::int64_t classes,
                                                  std::int64_t max_examples) {
  return make_cpu_loss(spec, classes, max_examples);
}

Backend& cpu_backend() {
  // Never destroyed: buffers of objects that outlive static destruction are released into it.
  static Backend* const backend = new CpuBackend;
  return *backend;
}

}  // namespace onelogit
