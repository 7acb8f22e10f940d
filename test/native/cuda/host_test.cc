// What stands in for a GPU has to catch what it is there for: missing barriers, wrong addresses, host code that follows
// device pointers.

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <functional>
#include <numeric>

#include "backend/cuda/launch.h"
#include "backend/cuda/reduce.h"
#include "device_array.h"

namespace onelogit {
namespace {

using cuda::launch;
using test::DeviceArray;

// out[block] = sum of the block's 64 inputs, gathered towards the last thread through shared memory.
template <bool with_barriers>
__global__ void sum_kernel(const float* x, float* out) {
  float* const shared = cuda::dynamic_shared<float>();
  shared[threadIdx.x] = x[blockIdx.x * blockDim.x + threadIdx.x];
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x >= blockDim.x - half) shared[threadIdx.x] += shared[threadIdx.x - half];
    if (with_barriers) __syncthreads();
  }
  if (threadIdx.x == blockDim.x - 1) out[blockIdx.x] = shared[threadIdx.x];
}

// The sum of a block is the same for every thread, forwards; each writes it.
__global__ void broadcast_kernel(const float* x, float* out) {
  const double sum = cuda::block_sum(static_cast<double>(x[threadIdx.x]));
  out[threadIdx.x] = static_cast<float>(sum);
}

template <bool with_barriers>
bool sums_are_right(const test::NamedOrder& order) {
  cuda_host::set_order(order.order);
  std::vector<float> x(3 * 64);
  std::iota(x.begin(), x.end(), 1.0f);
  DeviceArray<float> input(x), output(3);
  launch("sum", sum_kernel<with_barriers>, 3, 64, 64 * sizeof(float), nullptr, input.data(), output.data());
  const std::vector<float> sums = output.host();
  cuda_host::set_order({});
  for (int block = 0; block < 3; ++block)
    if (sums[static_cast<std::size_t>(block)] != static_cast<float>(64 * (64 * block) + 64 * 65 / 2)) return false;
  return true;
}

TEST_CASE("cuda host: a missing barrier is caught, but not in forward order") {
  int caught = 0;
  for (const auto& order : test::orders()) {
    CAPTURE(order.name);
    CHECK(sums_are_right<true>(order));
    const bool right = sums_are_right<false>(order);
    // Forwards, each thread finds what those before it have left: the mistake is there all the same.
    CHECK(right == (order.order.kind == cuda_host::Order::forward));
    caught += !right;
  }
  CHECK(caught == 3);
}

TEST_CASE("cuda host: reductions over warps and blocks give every thread the same, in every order") {
  for (const auto& order : test::orders()) {
    cuda_host::set_order(order.order);
    for (const unsigned threads : {32u, 64u, 96u, 256u, 1024u}) {
      std::vector<float> x(threads);
      std::iota(x.begin(), x.end(), 1.0f);
      DeviceArray<float> input(x), output(threads);
      launch("broadcast", broadcast_kernel, 1, threads, 0, nullptr, input.data(), output.data());
      const auto expected = static_cast<float>(threads * (threads + 1) / 2);
      CAPTURE(order.name);
      CAPTURE(threads);
      CHECK(output.host() == std::vector<float>(threads, expected));
    }
  }
  cuda_host::set_order({});
}

// Whether `body` ends a process of its own by a signal (or AddressSanitizer's exit).
template <class Body>
bool dies(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(signal, SIG_DFL);  // not the test runner's
    // Nobody wants to read what the sanitizer says of a mistake made on purpose.
    static_cast<void>(std::freopen("/dev/null", "w", stderr));
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

__global__ void half_barrier_kernel(float* out) {
  if (threadIdx.x < 16) __syncwarp();
  out[threadIdx.x] = 1;
}

__global__ void write_kernel(float* out, std::int64_t at) { out[at] = 1; }

#if defined(__SANITIZE_ADDRESS__)
__global__ void write_shared_kernel(std::int64_t at) { cuda::dynamic_shared<float>()[at] = 1; }
#endif

TEST_CASE("cuda host: host code cannot touch device memory, and lanes that never come end the program") {
  DeviceArray<float> array(4);
  float* const data = array.data();
  CHECK(dies([data] { *const_cast<volatile float*>(data) = 1; }));
  CHECK(dies([data] { launch("half", half_barrier_kernel, 1, 32, 0, nullptr, data); }));
  CHECK_FALSE(dies([data] { launch("write", write_kernel, 1, 1, 0, nullptr, data, std::int64_t{3}); }));
#if defined(__SANITIZE_ADDRESS__)
  CHECK(dies([data] { launch("write", write_kernel, 1, 1, 0, nullptr, data, std::int64_t{4}); }));
  CHECK(dies([] { launch("shared", write_shared_kernel, 1, 1, 16, nullptr, std::int64_t{4}); }));
#endif
}

TEST_CASE("cuda host: copies know which side memory is on, and memory ends") {
  DeviceArray<float> array(4);
  float host[4] = {};
  CHECK(cudaMemcpyAsync(host, array.data(), 16, cudaMemcpyHostToDevice, nullptr) == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(std::isnan(array.host()[0]));
  cuda_host::limit_memory(1024);
  void* memory = nullptr;
  CHECK(cudaMalloc(&memory, 2048) == cudaErrorMemoryAllocation);
  CHECK_THROWS(cuda::check(cudaGetLastError(), "a test"));
  cuda_host::limit_memory(0);
}

// Streams of a test, gone at its end.
struct TwoStreams {
  cudaStream_t first = nullptr, second = nullptr;
  TwoStreams() {
    cuda::check(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking), "a test");
    cuda::check(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking), "a test");
  }
  ~TwoStreams() {
    cuda_host::delay_work(cuda_host::Delay::none);
    static_cast<void>(cudaStreamDestroy(first));
    static_cast<void>(cudaStreamDestroy(second));
  }
};

__global__ void copy_kernel(const float* from, float* to) { *to = *from; }

// Two batches of one number each come by the first stream and are read on the second one.
std::vector<float> two_batches(cuda_host::Delay delay, bool wait_for_copy, bool wait_for_use) {
  TwoStreams streams;
  DeviceArray<float> raw(1), out(std::vector<float>{0, 0});
  float* pinned = nullptr;
  cuda::check(cudaMallocHost(reinterpret_cast<void**>(&pinned), 2 * sizeof(float)), "a test");
  pinned[0] = 1;
  pinned[1] = 2;
  cudaEvent_t copied = nullptr, used = nullptr;
  cuda::check(cudaEventCreateWithFlags(&copied, cudaEventDisableTiming), "a test");
  cuda::check(cudaEventCreateWithFlags(&used, cudaEventDisableTiming), "a test");
  cuda_host::delay_work(delay);
  for (int batch = 0; batch < 2; ++batch) {
    if (wait_for_use) cuda::check(cudaStreamWaitEvent(streams.first, used, 0), "a test");
    cuda::check(cudaMemcpyAsync(raw.data(), pinned + batch, 4, cudaMemcpyHostToDevice, streams.first), "a test");
    cuda::check(cudaEventRecord(copied, streams.first), "a test");
    if (wait_for_copy) cuda::check(cudaStreamWaitEvent(streams.second, copied, 0), "a test");
    launch("copy", copy_kernel, 1, 1, 0, streams.second, raw.data(), out.data() + batch);
    cuda::check(cudaEventRecord(used, streams.second), "a test");
  }
  cuda::check(cudaStreamSynchronize(streams.second), "a test");
  std::vector<float> result = out.host();
  cuda_host::delay_work(cuda_host::Delay::none);
  static_cast<void>(cudaEventDestroy(copied));
  static_cast<void>(cudaEventDestroy(used));
  static_cast<void>(cudaFreeHost(pinned));
  return result;
}

TEST_CASE("cuda host: streams that do not wait for each other show, one way or the other") {
  using cuda_host::Delay;
  const std::vector<float> right{1, 2};
  for (const Delay delay : {Delay::none, Delay::all, Delay::kernels}) {
    CHECK(two_batches(delay, true, true) == right);
    CHECK((two_batches(delay, false, true) == right) == (delay == Delay::none));
    CHECK((two_batches(delay, true, false) == right) == (delay != Delay::kernels));
  }
}

TEST_CASE("cuda host: a graph keeps the arguments of its launches, and what cannot be captured breaks it") {
  TwoStreams streams;
  DeviceArray<float> out(std::vector<float>{0, 0, 0, 0});
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::int64_t at = 1;
  const auto begin = [&] {
    CHECK(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  };
  begin();
  launch("write", write_kernel, 1, 1, 0, streams.first, out.data(), at);
  at = 3;
  CHECK(cudaStreamEndCapture(streams.first, &graph) == cudaSuccess);
  CHECK(out.host() == std::vector<float>{0, 0, 0, 0});  // nothing has run
  CHECK(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  CHECK(cudaGraphLaunch(executable, streams.second) == cudaSuccess);
  CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
  CHECK(out.host() == std::vector<float>{0, 1, 0, 0});

  void* memory = nullptr;
  float host = 0;
  const std::function<cudaError_t()> forbidden[] = {
      [&] { return cudaMalloc(&memory, 4); }, [&] { return cudaFree(out.data()); },
      [&] { return cudaStreamSynchronize(streams.second); },
      [&] { return cudaMemcpyAsync(&host, out.data(), 4, cudaMemcpyDeviceToHost, streams.first); },
      [&] { return cudaMemcpyAsync(out.data(), &host, 4, cudaMemcpyHostToDevice, streams.first); }};
  for (const auto& call : forbidden) {
    begin();
    CHECK(call() == cudaErrorStreamCaptureUnsupported);
    CHECK_THROWS(launch("write", write_kernel, 1, 1, 0, streams.first, out.data(), at));
    CHECK(cudaStreamEndCapture(streams.first, &graph) == cudaErrorStreamCaptureInvalidated);
    CHECK(graph == nullptr);
    static_cast<void>(cudaGetLastError());
  }
  CHECK(out.host() == std::vector<float>{0, 1, 0, 0});
}

}  // namespace
}  // namespace onelogit
