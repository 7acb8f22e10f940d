// The CUDA runtime's memory, streams and errors on the CPU. Device memory is one range of addresses that nobody can
// touch but kernels, copies and matrix products: host code that follows a device pointer ends with a signal, as it
// would where the GPU is. Everything in a stream is done when it is asked for.

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace cuda_host {
namespace {

constexpr std::size_t device_bytes = std::size_t{4} << 30, alignment = 256;

struct Device {
  std::mutex mutex;
  unsigned char* begin = nullptr;
  std::map<std::size_t, std::size_t> used;  // offset → bytes with what lies between
  std::size_t limit = device_bytes;
  int users = 0;  // of DeviceAccess
  cudaError_t error = cudaSuccess;

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
  // NaN: what nobody wrote shows.
  std::memset(all.begin + place, 0xff, bytes);
  *memory = all.begin + place;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  auto& all = device();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.used.find(static_cast<std::size_t>(static_cast<unsigned char*>(memory) - all.begin));
  if (found == all.used.end()) return failed(cudaErrorInvalidValue);
  ASAN_POISON_MEMORY_REGION(all.begin + found->first, found->second);
  all.used.erase(found);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  *memory = std::malloc(bytes);
  return *memory == nullptr ? failed(cudaErrorMemoryAllocation) : cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes != 0 && (cuda_host::is_device_memory(to) != to_device || cuda_host::is_device_memory(from) != from_device))
    return failed(cudaErrorInvalidValue);
  const DeviceAccess access;
  if (bytes != 0) std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  if (bytes != 0 && !cuda_host::is_device_memory(memory)) return failed(cudaErrorInvalidValue);
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
cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new char);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete reinterpret_cast<char*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }

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
