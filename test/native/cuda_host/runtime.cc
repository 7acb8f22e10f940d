// The CUDA runtime's memory, streams and errors on the CPU. Device memory is one range of addresses that nobody can
// touch but kernels, copies and matrix products: host code that follows a device pointer ends with a signal, as it
// would where the GPU is. Everything in a stream is done when it is asked for, unless a test wants copies from pinned
// memory late.

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace cuda_host {
namespace {

constexpr std::size_t device_bytes = std::size_t{4} << 30, alignment = 256, most_filled = std::size_t{16} << 20;

// A copy from pinned memory that has not happened yet.
struct Copy {
  std::uint64_t number;  // counts from 1
  void* to;
  const unsigned char* from;
  std::size_t bytes;
};

struct Device {
  std::mutex mutex;
  unsigned char* begin = nullptr;
  std::map<std::size_t, std::size_t> used;  // offset → bytes with what lies between
  std::size_t limit = device_bytes;
  int users = 0;  // of DeviceAccess
  cudaError_t error = cudaSuccess;
  bool delay_copies = false;
  std::map<const unsigned char*, std::size_t> pinned;  // begin → bytes
  std::vector<Copy> copies;                            // delayed, in order
  std::uint64_t copies_asked = 0;
  std::size_t waits = 0;

  Device() {
    void* const memory = ::mmap(nullptr, device_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      std::fprintf(stderr, "cuda_host: no addresses for device memory\n");
      std::abort();
    }
    begin = static_cast<unsigned char*>(memory);
    ASAN_POISON_MEMORY_REGION(begin, device_bytes);
  }
};
Device& device() {
  static auto* const only = new Device;
  return *only;
}

void finish_copies_until(std::uint64_t number) {
  {
    const std::lock_guard<std::mutex> lock(device().mutex);
    if (device().copies.empty()) return;
  }
  const DeviceAccess access;
  const std::lock_guard<std::mutex> lock(device().mutex);
  auto& copies = device().copies;
  std::size_t done = 0;
  for (; done < copies.size() && copies[done].number <= number; ++done)
    std::memcpy(copies[done].to, copies[done].from, copies[done].bytes);
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

// Whether the copy has been put off.
bool delayed(void* to, const void* from, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(device().mutex);
  const auto* const begin = static_cast<const unsigned char*>(from);
  const auto after = device().pinned.upper_bound(begin);
  if (!device().delay_copies || after == device().pinned.begin()) return false;
  const auto& [memory, size] = *std::prev(after);
  if (begin + bytes > memory + size) return false;
  device().copies.push_back({++device().copies_asked, to, begin, bytes});
  return true;
}

cudaError_t failed(cudaError_t error) {
  device().error = error;
  return error;
}

}  // namespace

DeviceAccess::DeviceAccess() {
  Device& all = device();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (all.users++ == 0) ::mprotect(all.begin, device_bytes, PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  Device& all = device();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (--all.users == 0) ::mprotect(all.begin, device_bytes, PROT_NONE);
}

void limit_memory(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(device().mutex);
  device().limit = bytes == 0 ? device_bytes : bytes;
}

void delay_copies(bool delay) {
  finish_copies();
  device().delay_copies = delay;
}

void finish_copies() { finish_copies_until(std::numeric_limits<std::uint64_t>::max()); }

std::size_t delayed_copies() {
  const std::lock_guard<std::mutex> lock(device().mutex);
  return device().copies.size();
}

void count_wait() {
  const std::lock_guard<std::mutex> lock(device().mutex);
  ++device().waits;
}
std::size_t waits() {
  const std::lock_guard<std::mutex> lock(device().mutex);
  return device().waits;
}

bool is_device_memory(const void* memory) {
  const auto* const byte = static_cast<const unsigned char*>(memory);
  return byte >= device().begin && byte < device().begin + device_bytes;
}

}  // namespace cuda_host

using cuda_host::device;
using cuda_host::DeviceAccess;
using cuda_host::failed;

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "CPU in place of a GPU");
  properties->totalGlobalMem = cuda_host::device_bytes;
  properties->major = 9;
  properties->multiProcessorCount = 3;
  properties->l2CacheSize = 1 << 20;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  auto& all = device();
  // A gap after each, where AddressSanitizer catches what goes past the end.
  const std::size_t taken = (bytes + 2 * cuda_host::alignment - 1) / cuda_host::alignment * cuda_host::alignment;
  std::size_t place = 0;
  {
    const std::lock_guard<std::mutex> lock(all.mutex);
    std::size_t total = taken;
    for (const auto& [offset, size] : all.used) total += size;
    if (bytes > all.limit || total > all.limit) return failed(cudaErrorMemoryAllocation);
    for (const auto& [offset, size] : all.used) {
      if (offset - place >= taken) break;
      place = offset + size;
    }
    if (place + taken > cuda_host::device_bytes) return failed(cudaErrorMemoryAllocation);
    all.used[place] = taken;
  }
  const DeviceAccess access;
  ASAN_UNPOISON_MEMORY_REGION(all.begin + place, bytes);
  // NaN: what nobody wrote shows. Not of a large workspace: each page that was touched makes every DeviceAccess slower.
  std::memset(all.begin + place, 0xff, bytes <= cuda_host::most_filled ? bytes : cuda_host::alignment);
  *memory = all.begin + place;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  cuda_host::finish_copies();
  auto& all = device();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.used.find(static_cast<std::size_t>(static_cast<unsigned char*>(memory) - all.begin));
  if (found == all.used.end()) return failed(cudaErrorInvalidValue);
  ASAN_POISON_MEMORY_REGION(all.begin + found->first, found->second);
  // Whole pages of it are nobody's.
  const std::size_t first = (found->first + 4095) / 4096 * 4096, last = (found->first + found->second) / 4096 * 4096;
  if (last > first) ::madvise(all.begin + first, last - first, MADV_DONTNEED);
  all.used.erase(found);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = std::malloc(bytes);
  if (*memory == nullptr) return failed(cudaErrorMemoryAllocation);
  const std::lock_guard<std::mutex> lock(device().mutex);
  device().pinned[static_cast<const unsigned char*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const std::lock_guard<std::mutex> lock(device().mutex);
  const auto found = device().pinned.find(static_cast<const unsigned char*>(memory));
  if (found == device().pinned.end()) return failed(cudaErrorInvalidValue);
  for (const auto& copy : device().copies)
    if (copy.from >= found->first && copy.from < found->first + found->second) {
      std::fprintf(stderr, "cuda_host: pinned memory is freed while it is still to be copied\n");
      std::abort();
    }
  device().pinned.erase(found);
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes != 0 && (cuda_host::is_device_memory(to) != to_device || cuda_host::is_device_memory(from) != from_device))
    return failed(cudaErrorInvalidValue);
  if (kind == cudaMemcpyHostToDevice && cuda_host::delayed(to, from, bytes)) return cudaSuccess;
  cuda_host::finish_copies();
  const DeviceAccess access;
  if (bytes != 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  if (bytes != 0 && !cuda_host::is_device_memory(memory)) return failed(cudaErrorInvalidValue);
  cuda_host::finish_copies();
  const DeviceAccess access;
  if (bytes != 0) std::memset(memory, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new char);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete reinterpret_cast<char*>(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t) {
  cuda_host::count_wait();
  cuda_host::finish_copies();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
// An event is the number of copies that were asked for before it.
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new std::uint64_t{0});
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<std::uint64_t*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  const std::lock_guard<std::mutex> lock(device().mutex);
  *reinterpret_cast<std::uint64_t*>(event) = device().copies_asked;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  cuda_host::count_wait();
  cuda_host::finish_copies_until(*reinterpret_cast<std::uint64_t*>(event));
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = device().error;
  device().error = cudaSuccess;
  return error;
}
const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : error == cudaErrorMemoryAllocation ? "out of memory" : "invalid argument";
}
const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaSuccess                 ? "cudaSuccess"
         : error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation"
                                              : "cudaErrorInvalidValue";
}
