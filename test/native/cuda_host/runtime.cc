// The CUDA runtime's memory, streams and errors on the CPU. Device memory is one range of addresses that nobody can
// touch but kernels, copies and matrix products: host code that follows a device pointer ends with a signal, as it
// would where the GPU is.

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>

#include "streams.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) (static_cast<void>(address), static_cast<void>(size))
#endif

namespace cuda_host {
namespace {

constexpr std::size_t device_bytes = std::size_t{4} << 30, alignment = 256, most_filled = std::size_t{16} << 20;

struct Device {
  std::mutex mutex;
  unsigned char* begin = nullptr;
  std::map<std::size_t, std::size_t> used;  // offset → bytes with what lies between
  std::size_t limit = device_bytes;
  int users = 0;                                       // of DeviceAccess
  std::map<const unsigned char*, std::size_t> pinned;  // begin → bytes

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

bool kernels_are_refused = false;

bool is_pinned(const void* memory, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(device().mutex);
  const auto* const begin = static_cast<const unsigned char*>(memory);
  const auto after = device().pinned.upper_bound(begin);
  if (after == device().pinned.begin()) return false;
  const auto& [first, size] = *std::prev(after);
  return begin + bytes <= first + size;
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

void refuse_kernels(bool refuse) { kernels_are_refused = refuse; }

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
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, void (*)()) {
  return cuda_host::kernels_are_refused ? failed(cudaErrorNoKernelImageForDevice) : cudaSuccess;
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
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  cuda_host::count_allocation();
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
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  cuda_host::count_free();
  cuda_host::finish_work();
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
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  cuda_host::count_allocation();
  *memory = std::malloc(bytes);
  if (*memory == nullptr) return failed(cudaErrorMemoryAllocation);
  const std::lock_guard<std::mutex> lock(device().mutex);
  device().pinned[static_cast<const unsigned char*>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  if (const cudaError_t error = cuda_host::forbidden_in_capture(); error != cudaSuccess) return error;
  cuda_host::count_free();
  const auto* const begin = static_cast<const unsigned char*>(memory);
  std::size_t bytes = 0;
  {
    const std::lock_guard<std::mutex> lock(device().mutex);
    const auto found = device().pinned.find(begin);
    if (found == device().pinned.end()) return failed(cudaErrorInvalidValue);
    bytes = found->second;
    device().pinned.erase(found);
  }
  if (cuda_host::is_copy_pending(begin, bytes)) {
    std::fprintf(stderr, "cuda_host: pinned memory is freed while it is still to be copied\n");
    std::abort();
  }
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (bytes != 0 && (cuda_host::is_device_memory(to) != to_device || cuda_host::is_device_memory(from) != from_device))
    return failed(cudaErrorInvalidValue);
  if (cuda_host::is_lost()) return failed(cudaErrorIllegalAddress);
  const auto copy = [=] {
    const DeviceAccess access;
    if (bytes != 0) std::memcpy(to, from, bytes);
  };
  if (to_device && from_device) {
    cuda_host::submit(stream, cuda_host::Work::copy, copy);
    return cudaSuccess;
  }
  // A GPU captures some copies of host memory, whose addresses would then have to stay.
  if (cuda_host::is_capturing(stream)) return cuda_host::forbidden_in_capture();
  if (to_device && cuda_host::is_pinned(from, bytes)) {
    cuda_host::submit_pinned_copy(stream, to, static_cast<const unsigned char*>(from), bytes);
    return cudaSuccess;
  }
  // Memory that is not pinned: copies may wait, and those from it need not have read it when they return (a GPU that
  // reads host memory itself stages nothing).
  cuda_host::count_wait();
  if (to_device) {
    cuda_host::submit(stream, cuda_host::Work::copy, copy);
    return cudaSuccess;
  }
  cuda_host::finish(stream);
  copy();
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes != 0 && !cuda_host::is_device_memory(memory)) return failed(cudaErrorInvalidValue);
  if (cuda_host::is_lost()) return failed(cudaErrorIllegalAddress);
  cuda_host::submit(stream, cuda_host::Work::copy, [=] {
    const DeviceAccess access;
    if (bytes != 0) std::memset(memory, value, bytes);
  });
  return cudaSuccess;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    default:
      return "invalid argument";
  }
}
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "cudaErrorInvalidValue";
  }
}
