// Stands in for NVIDIA's <cuda_runtime.h> where CUDA sources are compiled as C++ and run on the CPU, so that kernels
// are tested without a GPU. Only what native/backend/cuda uses. A block's threads are fibers, stepped one after another
// up to the next barrier or warp operation, in an order that tests choose; blocks run one after another. Device memory
// can only be touched by kernels and copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

// ---- the language ----
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(n) alignas(n)

struct CUstream_st;
using cudaStream_t = CUstream_st*;

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace cuda_host {

// What a thread of a kernel can see of itself.
struct Thread {
  uint3 thread, block;
  dim3 block_size, grid_size;
  void* shared;  // dynamic shared memory of its block
};
extern thread_local Thread* current;  // null outside kernels

// In which order the threads of a block, and the blocks of a grid, are stepped.
struct Order {
  enum Kind { forward, reverse, random } kind = forward;
  std::uint64_t seed = 0;  // random: one permutation after another follows from it
};
void set_order(Order order);

// Runs all threads of a grid to their end. Ends the program with a message when they wait for each other for ever.
void run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& thread);

// Work of a stream: done at once, left for later or captured, whatever the stream's state asks for. It must hold copies
// of all that it needs.
enum class Work { kernel, copy };
void submit(cudaStream_t stream, Work kind, std::function<void()> work);
inline void launch(cudaStream_t stream, dim3 grid, dim3 block, std::size_t shared_bytes, std::function<void()> thread) {
  submit(stream, Work::kernel, [=] { run(grid, block, shared_bytes, thread); });
}

// What cudaMalloc has to give; for tests of its failure.
void limit_memory(std::size_t bytes);
// When work is done that nobody waits for yet. A GPU may do it at any moment that the order of its stream, and events
// that the stream waits for, allow; these are the extremes. For tests; at once at first.
enum class Delay {
  none,
  all,     // as late as possible: what was not waited for is missing, and host memory is read when it is copied
  kernels  // kernels late, copies from pinned memory as early as possible: what is still to be read is overwritten
};
void delay_work(Delay delay);
// Does all that was left.
void finish_work();
std::size_t delayed_copies();  // from pinned memory
// Makes cudaStreamBeginCapture fail; for tests.
void refuse_capture(bool refuse);
// Makes the loading of kernels fail, as where they were compiled for another GPU; for tests.
void refuse_kernels(bool refuse);
// Makes cuBLAS take no workspace; for tests.
void refuse_workspace(bool refuse);
// Makes kernels, copies and waits fail from here on, as after an illegal access (false: no more); for tests.
void lose_device(bool lost);
// Streams and handles of cuBLAS that are not destroyed yet.
std::int64_t open_streams();
std::int64_t open_handles();

// What was asked of the runtime since the last reset.
struct Counts {
  std::int64_t allocations, frees;  // of device and pinned memory
  std::int64_t waits;  // cudaStreamSynchronize, and copies that wait: to the host, or from memory that is not pinned
  std::int64_t launches, graph_launches;  // kernels outside of graphs; graphs
  std::int64_t overlapping_copies;        // from pinned memory, done while another stream had kernels left
};
Counts counts();
void reset_counts();
// Whether the bytes lie in device memory.
bool is_device_memory(const void* memory);
// While one exists, this thread may touch device memory: what stands for the device's own engines.
struct DeviceAccess {
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

void block_barrier();
void warp_barrier(unsigned mask);
// Eight bytes for each lane of the calling thread's warp.
void* lane_slot(unsigned lane);
unsigned lane();

template <class T>
T exchange(unsigned mask, T value, unsigned source_lane) {
  static_assert(sizeof(T) <= 8, "an exchange slot has eight bytes");
  std::memcpy(lane_slot(lane()), &value, sizeof(T));
  warp_barrier(mask);
  T result;
  std::memcpy(&result, lane_slot(source_lane), sizeof(T));
  warp_barrier(mask);  // nobody writes the next value before all have read this one
  return result;
}

}  // namespace cuda_host

#define threadIdx (::cuda_host::current->thread)
#define blockIdx (::cuda_host::current->block)
#define blockDim (::cuda_host::current->block_size)
#define gridDim (::cuda_host::current->grid_size)
constexpr int warpSize = 32;

inline void __syncthreads() { ::cuda_host::block_barrier(); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { ::cuda_host::warp_barrier(mask); }
inline void __threadfence() {}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int = warpSize) {
  return ::cuda_host::exchange(mask, value, static_cast<unsigned>(source) % 32);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int = warpSize) {
  return ::cuda_host::exchange(mask, value, ::cuda_host::lane() ^ static_cast<unsigned>(lane_mask));
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int = warpSize) {
  const unsigned lane = ::cuda_host::lane();
  return ::cuda_host::exchange(mask, value, lane + delta < 32 ? lane + delta : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  unsigned result = 0;
  *static_cast<std::uint64_t*>(::cuda_host::lane_slot(::cuda_host::lane())) = predicate != 0;
  ::cuda_host::warp_barrier(mask);
  for (unsigned lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1)
      result |= static_cast<unsigned>(*static_cast<std::uint64_t*>(::cuda_host::lane_slot(lane))) << lane;
  ::cuda_host::warp_barrier(mask);
  return result;
}
inline int __ffs(int value) { return __builtin_ffs(value); }
inline int __popc(unsigned value) { return __builtin_popcount(value); }

// One thread runs at a time.
template <class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
T atomicMax(T* address, T value) {
  const T before = *address;
  if (value > before) *address = value;
  return before;
}
template <class T>
T atomicMin(T* address, T value) {
  const T before = *address;
  if (value < before) *address = value;
  return before;
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  const T before = *address;
  if (before == expected) *address = value;
  return before;
}
template <class T>
T atomicAnd(T* address, T value) {
  const T before = *address;
  *address = before & value;
  return before;
}
template <class T>
T atomicExch(T* address, T value) {
  const T before = *address;
  *address = value;
  return before;
}

inline int __float_as_int(float value) {
  int bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// ---- the runtime ----
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorNoDevice = 100,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901
};
enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal,
  cudaStreamCaptureModeThreadLocal,
  cudaStreamCaptureModeRelaxed
};
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
struct CUevent_st;
struct CUgraph_st;
struct CUgraphExec_st;
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
struct cudaDeviceProp {
  char name[256];
  std::size_t totalGlobalMem;
  int major, minor, multiProcessorCount, l2CacheSize;
};

cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaDriverGetVersion(int* version);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, std::size_t bytes);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);
struct cudaFuncAttributes {};
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)());
cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
const char* cudaGetErrorName(cudaError_t error);
