#include "backend/cpu/cpu_backend.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ONELOGIT_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONELOGIT_ADDRESS_SANITIZER
#endif
#endif

#include "backend/cpu/cpu_loss.h"
#include "backend/cpu/threads.h"
#include "error.h"

namespace onelogit {
namespace {

constexpr std::size_t line = 64;
// Rows of a large matrix are read in any order: with pages of 2 MiB most of them need no walk through the page tables.
constexpr std::size_t huge_page = std::size_t{2} << 20, huge_from = 8 * huge_page;

// From this size on, memory is the system's own mapping: zero already, and given back when it is released. A heap would
// keep what was freed for the next allocation, and with it every generation of weights that a service has replaced.
constexpr std::size_t mapped_from = std::size_t{128} << 10;

#if defined(__linux__) && !defined(ONELOGIT_ADDRESS_SANITIZER)
bool maps(std::size_t bytes) { return bytes >= mapped_from; }
// Whole pages, of whatever size up to 64 KiB the system has.
std::size_t mapped_bytes(std::size_t bytes) {
  const std::size_t unit = bytes >= huge_from ? huge_page : std::size_t{64} << 10;
  return (bytes + unit - 1) / unit * unit;
}

void* map(std::size_t bytes) {
  const std::size_t wanted = mapped_bytes(bytes), spare = bytes >= huge_from ? huge_page : 0;
  void* const memory = ::mmap(nullptr, wanted + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  if (spare == 0) return memory;
  // What is asked for begins at a huge page; the rest goes back.
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t before = (huge_page - address % huge_page) % huge_page;
  auto* const begin = static_cast<std::byte*>(memory) + before;
  if (before > 0) ::munmap(memory, before);
  if (before < spare) ::munmap(begin + wanted, spare - before);
  ::madvise(begin, wanted, MADV_HUGEPAGE);  // a wish: where the system does not grant it, nothing changes
  return begin;
}
void unmap(void* memory, std::size_t bytes) { ::munmap(memory, mapped_bytes(bytes)); }
#else  // AddressSanitizer sees what is read past the end of its own heap's memory
bool maps(std::size_t) { return false; }
void* map(std::size_t) { return nullptr; }
void unmap(void*, std::size_t) {}
#endif

// aligned_alloc wants a multiple of the alignment; at least one, so that every allocation has an address.
void* take(std::size_t bytes) { return std::aligned_alloc(line, (bytes + line - (bytes == 0 ? 0 : 1)) / line * line); }

// From this size on, memory is cleared and copied by the whole pool.
constexpr std::int64_t memory_grain = std::int64_t{1} << 20;

}  // namespace

void* CpuBackend::allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (bytes <= std::numeric_limits<std::size_t>::max() / 2) memory = maps(bytes) ? map(bytes) : take(bytes);
  if (memory == nullptr)
    throw Error(
        ErrorKind::operation, "ERR_ONELOGIT_OUT_OF_MEMORY",
        "Expected " + std::to_string(bytes) + " bytes of free memory for a tensor but received none from the system");
  if (!maps(bytes)) zero(memory, bytes);
  return memory;
}

void CpuBackend::release(void* memory, std::size_t bytes) noexcept {
  if (maps(bytes))
    unmap(memory, bytes);
  else
    std::free(memory);
}

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

std::unique_ptr<StepRunner> CpuBackend::make_step_runner() {
  struct Calls final : StepRunner {
    void run(std::int64_t, std::uint64_t, float, const std::function<void()>& body) override { body(); }
  };
  return std::make_unique<Calls>();
}

Backend& cpu_backend() {
  // Never destroyed: buffers of objects that outlive static destruction are released into it.
  static Backend* const backend = new CpuBackend;
  return *backend;
}

}  // namespace onelogit
